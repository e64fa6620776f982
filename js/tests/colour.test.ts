import fc from "fast-check";
import { expect, test } from "vitest";
import {
  contrast,
  css,
  inkOn,
  over,
  parseRgb,
  READABLE,
  type Rgb,
  tint,
} from "../src/values/colour";

const channel = fc.integer({ min: 0, max: 255 });
const colour = fc.tuple(channel, channel, channel) as fc.Arbitrary<Rgb>;

test("text can be read on every tint, on every ground", () => {
  fc.assert(
    fc.property(
      colour,
      colour,
      fc.double({ min: -1, max: 1, noNaN: true }),
      (ground, ink, value) => {
        const mark = tint(value, 1);
        const seen = mark ? over(mark, ground) : ground;
        expect(contrast(seen, inkOn(seen, ink))).toBeGreaterThanOrEqual(READABLE);
      },
    ),
  );
});

test("the sign has the hue, the magnitude the alpha, and it ends at the limit", () => {
  expect(css(tint(0.5, 1) as never)).toBe("rgba(178, 24, 43, 0.425)");
  expect(css(tint(-3, 1) as never)).toBe("rgba(33, 102, 172, 0.85)");
  expect(tint(0, 1)).toBeNull();
  expect(tint(Number.NaN, 1)).toBeNull();
  expect(tint(1, 0)).toBeNull();
});

test("black on white has the contrast that WCAG says", () => {
  expect(contrast([0, 0, 0], [255, 255, 255])).toBeCloseTo(21, 6);
  expect(contrast([119, 119, 119], [255, 255, 255])).toBeCloseTo(4.48, 2);
});

test("only opaque colours are read", () => {
  expect(parseRgb("rgb(1, 2, 3)", [9, 9, 9])).toEqual([1, 2, 3]);
  expect(parseRgb("rgba(1, 2, 3, 0.5)", [9, 9, 9])).toEqual([9, 9, 9]);
});
