import fc from "fast-check";
import { expect, test } from "vitest";
import type { Group } from "../src/values/sides";
import { halfOfMass, strongestPairs } from "../src/values/strongest";
import { total } from "../src/values/sums";

const map = fc
  .array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 1 })
  .map((list) => Float64Array.from(list));

test("half of the mass is carried, and by no more values than needed", () => {
  fc.assert(
    fc.property(map, fc.constantFrom(1 as const, -1 as const), (map, sign) => {
      const { indices, value } = halfOfMass(map, sign);
      const mass = total(map.filter((v) => v * sign > 0));
      const values = indices.map((j) => map[j] ?? 0);
      expect(value).toBeCloseTo(total(values), 9);
      expect(Math.abs(value)).toBeGreaterThanOrEqual(Math.abs(mass) / 2 - 1e-9);
      const weakest = Math.min(...values.map(Math.abs));
      if (indices.length > 1) expect(Math.abs(value) - weakest).toBeLessThan(Math.abs(mass) / 2);
    }),
  );
});

const group = (name: string, features: number[], special = false): Group => ({
  ...{ name, text: name, which: "", whose: "" },
  features,
  special,
  listed: true,
});

/** A second side whose feature 0 is special, and two that are not. */
const BESIDE = {
  groups: [group("CLS", [0], true), group("first", [1]), group("second", [2])],
  ordinary: [1, 2],
};

/** Groups of the first side with their values, shortly: name, features of the other side, value. */
const strong = (
  rows: [string, ...number[]][],
  signs?: "both" | "for" | "against",
  count?: number,
) =>
  strongestPairs(
    rows.map(([name, ...values], i) => [group(name, [i]), Float64Array.from(values)] as const),
    BESIDE,
    signs,
    count,
  ).map(({ group, features, value }) => [group.name, features, value]);

test("the strongest come first, and what speaks against the match is never left out", () => {
  const words = [5, 4, 3, 2, 1].map((size, i): [string, ...number[]] => [
    `w${i}`,
    ...[0, size, i === 4 ? -0.5 : 0],
  ]);
  expect(strong(words, "both", 3)).toEqual([
    ["w0", [1], 5],
    ["w1", [1], 4],
    ["w4", [2], -0.5],
  ]);
});

test("only the sign that is asked for is listed", () => {
  const words: [string, ...number[]][] = [
    ["a", 5, 3, -2],
    ["b", -4, 0, 0],
  ];
  expect(strong(words, "for").map(([, , value]) => value)).toEqual([5, 3]);
  expect(strong(words, "against").map(([, , value]) => value)).toEqual([-4, -2]);
});

test("special positions stand by themselves, and what is nothing is not listed", () => {
  expect(
    strong([
      ["BOS", 0, 0, 0],
      ["grass", 4, -2, 1],
      ["sky", 1e-9, 0, 0],
    ]),
  ).toEqual([
    ["grass", [0], 4],
    ["grass", [1], -2],
    ["grass", [2], 1],
  ]);
});

test("groups whose rows are missing are passed over", () => {
  expect(strong([["a", Number.NaN, Number.NaN, Number.NaN]])).toEqual([]);
});
