import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Answers, QUIET, SILENCE } from "../src/model/liveness";
import { Throttle } from "../src/model/throttle";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("who never spoke is silent, who fell silent is lost, and a word brings both back", () => {
  const changed = vi.fn();
  const answers = new Answers(changed, () => {});
  answers.expect();
  vi.advanceTimersByTime(SILENCE - 1);
  expect(answers.state).toBe("waiting");
  vi.advanceTimersByTime(1);
  expect(answers.state).toBe("silent");
  answers.heard();
  expect(answers.state).toBe("live");
  answers.expect();
  vi.advanceTimersByTime(SILENCE);
  expect(answers.state).toBe("lost");
  answers.heard();
  expect([answers.state, changed.mock.calls.length]).toEqual(["live", 4]);
  answers.stop();
  expect(vi.getTimerCount()).toBe(0);
});

test("nothing is due when nothing was asked, and asking again does not put it off", () => {
  const answers = new Answers(
    () => {},
    () => {},
  );
  answers.heard();
  vi.advanceTimersByTime(10 * SILENCE);
  expect(answers.state).toBe("live");
  answers.expect();
  vi.advanceTimersByTime(SILENCE - 1);
  answers.expect();
  vi.advanceTimersByTime(1);
  expect(answers.state).toBe("lost");
});

test("who has said nothing for a while is asked, and is lost without an answer", () => {
  const ask = vi.fn(() => answers.expect());
  const answers = new Answers(() => {}, ask);
  answers.heard();
  vi.advanceTimersByTime(QUIET - 1);
  answers.heard();
  vi.advanceTimersByTime(QUIET - 1);
  expect(ask).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(ask).toHaveBeenCalledOnce();
  vi.advanceTimersByTime(SILENCE);
  expect(answers.state).toBe("lost");
  vi.advanceTimersByTime(10 * QUIET);
  expect(ask).toHaveBeenCalledOnce();
});

test("a throttle runs at once, then rarely, and ends with the last value", () => {
  const got: number[] = [];
  const throttle = new Throttle<number>((value) => got.push(value));
  for (let i = 0; i < 10; i++) throttle.call(i);
  expect(got).toEqual([0]);
  vi.advanceTimersByTime(50);
  expect(got).toEqual([0, 9]);
  vi.advanceTimersByTime(500);
  expect(vi.getTimerCount()).toBe(0);
  throttle.call(10);
  throttle.call(11);
  throttle.cancel();
  vi.advanceTimersByTime(500);
  expect(got).toEqual([0, 9, 10]);
});
