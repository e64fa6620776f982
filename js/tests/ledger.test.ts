import fc from "fast-check";
import { expect, test } from "vitest";
import { readSides } from "../src/parts/panels";
import { addsUp, doesNotAddUp, madeOf, waterfall } from "../src/values/ledger";
import { Pairs } from "../src/values/pairs";
import { DEFAULTS } from "../src/values/settings";
import type { AnyPanel, LedgerState, LedgerTermState } from "../src/values/shapes";
import { type Both, both, specialOf } from "../src/values/sides";
import { HEADLESS, sidesOf, tokensOf } from "./model";

const part = fc.double({ min: -1, max: 1, noNaN: true });

function ledgerOf(
  parts: Partial<LedgerTermState>,
  terms: readonly Partial<LedgerTermState>[] = [],
): LedgerState {
  const whole = termOf(parts);
  return { ...whole, unit_scale: 1, ...HEADLESS, terms: terms.map(termOf) };
}

function termOf(parts: Partial<LedgerTermState>): LedgerTermState {
  const none = { pairs: 0, rows_only: 0, columns_only: 0, baseline: 0, left_out: 0, residual: 0 };
  const all = { ...none, ...parts };
  return { ...all, similarity: Object.values(all).reduce((sum, one) => sum + one, 0) };
}

const [SENTENCE, PICTURE] = sidesOf({ grid: [1, 2] }).map(({ panels }) => panels[0]) as [
  AnyPanel,
  AnyPanel,
];
const NO_PAIRS = new Pairs([[false], [false]]);

type Inputs = Both<AnyPanel[]>;

const BESIDE: Inputs = [[SENTENCE], [PICTURE]];

function fall(ledger: LedgerState, inputs: Inputs, pairs = NO_PAIRS) {
  const sides = readSides(inputs, [[], []], DEFAULTS);
  return waterfall(ledger, inputs, sides, () => pairs);
}

test("each step begins where the one before ends, the last at the similarity, all inside", () => {
  const terms = {
    pairs: part,
    rows_only: part,
    columns_only: part,
    baseline: part,
    residual: part,
  };
  fc.assert(
    fc.property(fc.record(terms), fc.array(fc.record(terms), { maxLength: 6 }), (parts, others) => {
      const ledger = ledgerOf(parts, others);
      const { steps, end, low, high, decimals } = fall(ledger, BESIDE);
      let at = 0;
      for (const { start, stop, value, up } of steps) {
        expect(start).toBeCloseTo(at, 9);
        expect(stop - start).toBeCloseTo(value, 9);
        expect(Math.min(start, stop)).toBeGreaterThanOrEqual(low);
        expect(Math.max(start, stop, start + up)).toBeLessThanOrEqual(high);
        at = stop;
      }
      expect(Math.abs(at - end)).toBeLessThan(0.5001 * 10 ** -decimals);
      expect(low).toBeLessThanOrEqual(Math.min(0, end));
    }),
  );
});

test("steps are called by the kinds of the sides", () => {
  const names = (rows: AnyPanel[], columns: AnyPanel[]) =>
    fall(ledgerOf({ pairs: 1, residual: 0.2 }), [rows, columns]).steps.map(({ name }) =>
      name.replace(" alone", ""),
    );
  const [text, image] = [SENTENCE, PICTURE];
  expect(names([text], [image])).toEqual(["pairs", "caption", "image", "baseline", "residual"]);
  const between = (...of: [AnyPanel[], AnyPanel[]]) => names(...of).slice(1, 3);
  expect(between([text], [text])).toEqual(["first caption", "second caption"]);
  expect(between([image], [image])).toEqual(["first image", "second image"]);
  expect(between([text, text], [image])).toEqual(["captions", "image"]);
  expect(between([text], [image, image])).toEqual(["caption", "images"]);
  expect(between([text, text], [text])).toEqual(["first captions", "second caption"]);
  expect(between([text, image], [text])).toEqual(["first side", "second caption"]);
});

test("a step shows what cancels in it, and no more than can be read", () => {
  const two = fall(
    ledgerOf({ pairs: 0.01, rows_only: 0.3 }, [
      { pairs: 0.21, rows_only: 0.3 },
      { pairs: -0.2, rows_only: -0.001 },
    ]),
    [[SENTENCE, SENTENCE], [PICTURE]],
  );
  const [pairs, rows] = two.steps;
  expect([pairs?.up, pairs?.down]).toEqual([0.21, expect.closeTo(-0.2, 9)]);
  expect(pairs && madeOf(pairs, 2)).toBe("first caption +0.21 · second caption −0.20 = +0.01");
  expect([rows?.up, rows?.down]).toEqual([0, 0]);
  expect(two.high).toBeCloseTo(0.31, 9);
  // Of many parts, those for and those against.
  const many = fall(
    ledgerOf(
      { pairs: 0.1 },
      [0.2, 0.2, -0.1, -0.1, -0.1].map((pairs) => ({ pairs })),
    ),
    [new Array<AnyPanel>(5).fill(SENTENCE), [PICTURE]],
  );
  // Terms stand row by row.
  const grid = fall(
    ledgerOf(
      { pairs: 1 },
      [0.1, 0.2, 0.3, 0.4].map((pairs) => ({ pairs })),
    ),
    [
      [SENTENCE, SENTENCE],
      [PICTURE, PICTURE],
    ],
  );
  expect(grid.steps[0]?.addends.map(({ name, value }) => `${name} ${value}`)).toEqual([
    "first caption × first image 0.1",
    "first caption × second image 0.2",
    "second caption × first image 0.3",
    "second caption × second image 0.4",
  ]);
  const [first] = many.steps;
  expect(first && madeOf(first, 2)).toBe("2 parts for +0.40 · 3 parts against −0.30 = +0.10");
});

test("pairs at special positions are a step of their own, once all rows are there", () => {
  const tokens = tokensOf(["BOS", ["red", 0, 0, 3]]);
  const [text] = sidesOf({ text: "red", tokens, grid: [1, 2] });
  const shown: Inputs = [text?.panels ?? [], [PICTURE]];
  const pairs = new Pairs(both((side) => specialOf(shown[side])));
  const ledger = ledgerOf({ pairs: 0.5, baseline: 0.1 });
  const steps = () =>
    fall(ledger, shown, pairs)
      .steps.slice(0, 2)
      .map(({ name, value }) => [name, Number(value.toFixed(6))]);
  pairs.write(1, Float32Array.of(0.3, 0.3, -0.1));
  expect(steps()).toEqual([
    ["pairs", 0.5],
    ["caption alone", 0],
  ]);
  pairs.write(0, Float32Array.of(0, 0, 0));
  expect(steps()).toEqual([
    ["words × patches", 0.2],
    ["words × CLS", 0.3],
  ]);
  pairs.write(0, Float32Array.of(0.1, -0.1, 0));
  pairs.write(1, Float32Array.of(0.2, 0.3, 0));
  expect(steps()).toEqual([
    ["words × patches", 0.3],
    ["special positions", 0.2],
  ]);
  // Of a sum, what is at words is made of what its parts have there.
  const twice: Inputs = [[...(text?.panels ?? []), ...(text?.panels ?? [])], [PICTURE]];
  const ofBoth = new Pairs(both((side) => specialOf(twice[side])));
  for (const [row, value] of [0.05, 0.2, 0.05, -0.1].entries()) {
    ofBoth.write(row, Float32Array.of(0, value, value));
  }
  const [words] = fall(ledgerOf({ pairs: 0.4 }), twice, ofBoth).steps;
  expect(words?.addends.map(({ value }) => Number(value.toFixed(6)))).toEqual([0.4, -0.2]);
  // Rows of something else explain nothing.
  pairs.write(1, Float32Array.of(0.2, 0.3, 5));
  expect(steps()[0]).toEqual(["pairs", 0.5]);
});

test("numbers have the digits that their size needs", () => {
  const decimals = (pairs: number) => fall(ledgerOf({ pairs }), BESIDE).decimals;
  expect([0.004, 0.31, 5.3, 12, 1200].map(decimals)).toEqual([3, 2, 2, 1, 0]);
});

test("a residual that would read 0.00 is no step", () => {
  const keys = (residual: number) =>
    fall(ledgerOf({ pairs: 1, residual }), BESIDE).steps.map(({ key }) => key);
  expect(keys(0.004)).not.toContain("residual");
  expect(keys(-0.02)).toContain("residual");
});

test("a ledger whose residual is no error does not pretend to add up", () => {
  const of = (pairs: number, baseline: number, residual: number) =>
    ledgerOf({ pairs, baseline, residual });
  expect(addsUp(of(0.3, 0.3, -0.29))).toBe(true);
  expect(addsUp(of(0.3, -0.3, -0.31))).toBe(false);
  // A similarity of nothing has parts all the same; nothing at all has none.
  expect(addsUp(of(0.3, -0.3, 0.002))).toBe(true);
  expect(addsUp(of(0, 0, 0))).toBe(true);
  expect(addsUp(of(83.1, 0, -82.87))).toBe(false);
  expect(doesNotAddUp(of(83.1, 0, -82.87))).toMatch(/their sum is 83\.10, which leaves −82\.87\./);
});
