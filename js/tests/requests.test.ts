import { beforeEach, expect, test } from "vitest";
import type { Outgoing } from "../src/model/protocol";
import { Requests } from "../src/model/requests";

let sent: Outgoing[];
let now: number;
let requests: Requests;

beforeEach(() => {
  sent = [];
  now = 0;
  requests = new Requests(
    (message) => sent.push(message),
    () => now,
  );
  requests.restart(7);
});

test("a row is asked for once, and again only after a while", () => {
  requests.rows([1, 2]);
  requests.rows([2, 3]);
  now = 5000;
  requests.rows([1]);
  expect(sent).toEqual([
    { type: "features", epoch: 7, part: "", side: 0, id: 0, features: [1, 2] },
    { type: "features", epoch: 7, part: "", side: 0, id: 0, features: [3] },
    { type: "features", epoch: 7, part: "", side: 0, id: 0, features: [1] },
  ]);
});

test("one sum is computed at a time; of those that wait, the latest is next", () => {
  requests.sum([1]);
  requests.sum([2]);
  requests.sum([3]);
  expect(sent).toHaveLength(1);
  expect(requests.answered(1, Float32Array.of(9))).toBe(true);
  expect(sent.at(-1)).toEqual({
    type: "features",
    epoch: 7,
    part: "",
    side: 1,
    id: 2,
    features: [3],
  });
  expect(requests.answer([1])).toEqual(Float32Array.of(9));
  requests.sum([1]);
  expect(sent).toHaveLength(2);
});

test("a lost answer does not block the next sum", () => {
  requests.sum([1]);
  now = 5000;
  requests.sum([2]);
  expect(sent).toHaveLength(2);
  expect(requests.answered(1, Float32Array.of(9))).toBe(false);
});

test("what is missing is asked for again a few times, not for ever", () => {
  const tries = [1, 2, 3, 4].map(() => requests.again([4]));
  expect(tries).toEqual([true, true, true, false]);
  expect(sent).toHaveLength(3);
});

test("a new epoch forgets", () => {
  requests.rows([1]);
  requests.sum([1]);
  requests.restart(8);
  requests.rows([1]);
  requests.sum([1]);
  expect(sent.slice(2).map((message) => "epoch" in message && message.epoch)).toEqual([8, 8]);
});
