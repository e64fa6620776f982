import fc from "fast-check";
import { expect, test } from "vitest";
import { exact, percent, plain, plural, signed } from "../src/format";

test.each([
  [0.109, "+0.109"],
  [-0.0312, "−0.031"],
  [0.00123, "+0.0012"],
  [-0.000045, "−0.000045"],
  [2.5, "+2.500"],
  [0, "0"],
  [-0, "0"],
  [1e-9, "0"],
  [Number.NaN, "–"],
])("%d reads %s", (value, text) => {
  expect(signed(value)).toBe(text);
});

test("a signed number read back is off by less than a twentieth", () => {
  fc.assert(
    fc.property(fc.double({ min: -1, max: 1, noNaN: true }), (value) => {
      fc.pre(Math.abs(value) >= 1e-6);
      const read = Number(signed(value).replace("−", "-"));
      expect(Math.abs(read - value)).toBeLessThanOrEqual(0.0501 * Math.abs(value));
    }),
  );
});

test("plain numbers have two decimals, and zero no sign", () => {
  expect([0.846, -0.034, -0.001].map(plain)).toEqual(["0.85", "−0.03", "0.00"]);
});

test("shares are whole percents, and small ones not nothing", () => {
  expect([0.264, -0.04, 0.001, 0].map(percent)).toEqual(["26%", "−4%", "<1%", "0%"]);
});

test("one patch, many patches", () => {
  expect(plural(1, "patch", "patches")).toBe("1 patch");
  expect(plural(6, "patch", "patches")).toBe("6 patches");
});

test("data attributes carry what float32 can tell apart", () => {
  expect(Math.fround(Number(exact(Math.fround(0.1))))).toBeCloseTo(Math.fround(0.1), 8);
});
