import fc from "fast-check";
import { expect, test } from "vitest";
import { brief, exact, percent, plain, plural, signed } from "../src/values/format";

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
  expect([0.264, 1, 0.001, 0].map(percent)).toEqual(["26%", "100%", "<1%", "0%"]);
});

test("brief numbers have at most six characters, and as many digits as that leaves", () => {
  const some = [0.16749, -0.0631, 9.9999, -83.104, 1234.5, 0.0001, -0, Number.NaN];
  const texts = ["+0.167", "−0.063", "+10.0", "−83.1", "+1235", "0", "0", "–"];
  expect(some.map(brief)).toEqual(texts);
  fc.assert(
    fc.property(fc.double({ min: -99999, max: 99999, noNaN: true }), (value) => {
      expect(brief(value).length).toBeLessThanOrEqual(6);
      const read = Number(brief(value).replace("−", "-"));
      expect(Math.abs(read - value)).toBeLessThanOrEqual(0.0005001 + 0.006 * Math.abs(value));
    }),
  );
});

test("one patch, many patches", () => {
  expect(plural(1, "patch", "patches")).toBe("1 patch");
  expect(plural(6, "patch", "patches")).toBe("6 patches");
});

test("data attributes carry what float32 can tell apart", () => {
  expect(Math.fround(Number(exact(Math.fround(0.1))))).toBeCloseTo(Math.fround(0.1), 8);
});
