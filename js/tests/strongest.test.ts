import fc from "fast-check";
import { expect, test } from "vitest";
import { halfOfMass, strongestPairs } from "../src/values/strongest";
import { total } from "../src/values/sums";

const map = fc
  .array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 1 })
  .map((list) => Float64Array.from(list));

test("half of the mass is carried, and by no more patches than needed", () => {
  fc.assert(
    fc.property(map, fc.constantFrom(1 as const, -1 as const), (map, sign) => {
      const { patches, value } = halfOfMass(map, sign);
      const mass = total(map.filter((v) => v * sign > 0));
      const values = patches.map((j) => map[j] ?? 0);
      expect(value).toBeCloseTo(total(values), 9);
      expect(Math.abs(value)).toBeGreaterThanOrEqual(Math.abs(mass) / 2 - 1e-9);
      const weakest = Math.min(...values.map(Math.abs));
      if (patches.length > 1) expect(Math.abs(value) - weakest).toBeLessThan(Math.abs(mass) / 2);
    }),
  );
});

test("of patches that are equally strong, the first ones are taken", () => {
  const flat = Float64Array.of(1, 3, 1, -2, 1, 1, -2);
  expect(halfOfMass(flat, 1)).toEqual({ patches: [0, 1], value: 4 });
  expect(halfOfMass(flat, -1)).toEqual({ patches: [3], value: -2 });
  expect(halfOfMass(Float64Array.of(0, 0), 1)).toEqual({ patches: [], value: 0 });
});

test("the strongest come first, and what speaks against the match is never left out", () => {
  const words = [5, 4, 3, 2, 1].map((size, i) => ({
    tokens: [i],
    text: `w${i}`,
    map: Float64Array.of(size, i === 4 ? -0.5 : 0),
    specials: [],
  }));
  const strong = strongestPairs(words, "both", 3);
  expect(strong.map((pair) => pair.value)).toEqual([5, 4, -0.5]);
  expect(strong[2]).toMatchObject({ text: "w4", patches: [1] });
});

test("only the sign that is asked for is listed", () => {
  const words = [{ tokens: [0], text: "a", map: Float64Array.of(3, -2), specials: [5, -4] }];
  expect(strongestPairs(words, "for").map((pair) => pair.value)).toEqual([5, 3]);
  expect(strongestPairs(words, "against").map((pair) => pair.value)).toEqual([-4, -2]);
});

test("special positions stand by themselves, and what is nothing is not listed", () => {
  const rows = [
    { tokens: [0], text: "BOS", map: Float64Array.of(0, 0), specials: [0] },
    { tokens: [1], text: "grass", map: Float64Array.of(-2, 1), specials: [4, 1e-9] },
  ];
  expect(strongestPairs(rows)).toEqual([
    { tokens: [1], text: "grass", patches: [], specials: [0], value: 4 },
    { tokens: [1], text: "grass", patches: [0], specials: [], value: -2 },
    { tokens: [1], text: "grass", patches: [1], specials: [], value: 1 },
  ]);
});

test("words whose rows are missing are passed over", () => {
  expect(strongestPairs([{ tokens: [0], text: "a", map: null, specials: [1] }])).toEqual([]);
});
