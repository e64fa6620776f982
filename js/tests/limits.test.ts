import fc from "fast-check";
import { expect, test } from "vitest";
import { FLOOR, featureFloor, limitOf } from "../src/values/limits";

test("no scale ends below the floor, and larger values set their own", () => {
  expect([0, 0.0002, 0.3].map((size) => limitOf(size, 0.01))).toEqual([0, 0.01, 0.3]);
});

test("a picture of patches at their floor is worth the same on every fine grid", () => {
  fc.assert(
    fc.property(fc.integer({ min: 64, max: 10_000 }), (patches) => {
      expect(patches * featureFloor(patches)).toBeCloseTo(64 * FLOOR, 9);
    }),
  );
  expect([1, 49, 64].map(featureFloor)).toEqual([FLOOR, FLOOR, FLOOR]);
});
