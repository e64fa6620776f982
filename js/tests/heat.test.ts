import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NEGATIVE, POSITIVE } from "../src/values/colour";
import { hatchPixels, heatPixels } from "../src/values/heat";
import type { Signs } from "../src/values/settings";

const maps = fc
  .record({ rows: fc.integer({ min: 1, max: 6 }), columns: fc.integer({ min: 1, max: 6 }) })
  .chain((grid) =>
    fc.record({
      grid: fc.constant(grid),
      values: fc.array(fc.double({ min: -1, max: 1, noNaN: true }), {
        minLength: grid.rows * grid.columns,
        maxLength: grid.rows * grid.columns,
      }),
    }),
  );

function pixel(data: Uint8ClampedArray, i: number): number[] {
  return [...data.subarray(4 * i, 4 * i + 4)];
}

/** The value that a pixel stands for, on a scale that ends at 1. */
function shown([red = 0, , , alpha = 0]: number[]): number {
  if (alpha === 0) return 0;
  return ((red === POSITIVE[0] ? 1 : -1) * alpha) / (255 * 0.85);
}

describe("sharp", () => {
  test("one pixel a patch: hue is the sign, alpha the magnitude", () => {
    fc.assert(
      fc.property(maps, ({ grid, values }) => {
        const map = Float64Array.from(values);
        const { width, height, data } = heatPixels(grid, {
          map,
          limit: 1,
          signs: "both",
          smooth: false,
        });
        expect([width, height]).toEqual([grid.columns, grid.rows]);
        values.forEach((value, i) => {
          const [red, green, blue, alpha] = pixel(data, i);
          expect(alpha).toBeCloseTo(255 * 0.85 * Math.abs(value), -0.31);
          if (alpha) expect([red, green, blue]).toEqual(value > 0 ? POSITIVE : NEGATIVE);
        });
      }),
    );
  });

  test("a sign that is not wanted leaves no mark", () => {
    const heat = { map: Float64Array.of(0.5, -0.5), limit: 1, smooth: false };
    const grid = { rows: 1, columns: 2 };
    const alphas = (signs: Signs) => {
      const { data } = heatPixels(grid, { ...heat, signs });
      return [data[3], data[7]].map((alpha) => (alpha ?? 0) > 0);
    };
    expect(alphas("both")).toEqual([true, true]);
    expect(alphas("for")).toEqual([true, false]);
    expect(alphas("against")).toEqual([false, true]);
  });
});

describe("smooth", () => {
  test("is the sum of the patches' values under hats as wide as two patches", () => {
    const hat = (distance: number) => Math.max(0, 1 - Math.abs(distance));
    fc.assert(
      fc.property(maps, ({ grid, values }) => {
        const map = Float64Array.from(values);
        const { width, height, data } = heatPixels(grid, {
          map,
          limit: 1,
          signs: "both",
          smooth: true,
        });
        const k = width / grid.columns;
        expect([height / grid.rows, k]).toEqual([k, 8]);
        const inside = (position: number, count: number) =>
          Math.min(Math.max(position, 0), count - 1);
        for (let i = 0; i < width * height; i++) {
          const x = inside(((i % width) + 0.5) / k - 0.5, grid.columns);
          const y = inside((Math.floor(i / width) + 0.5) / k - 0.5, grid.rows);
          let expected = 0;
          values.forEach((value, j) => {
            const [column, row] = [j % grid.columns, Math.floor(j / grid.columns)];
            expected += value * hat(x - column) * hat(y - row);
          });
          if (Math.abs(shown(pixel(data, i)) - expected) > 0.004) {
            expect(shown(pixel(data, i))).toBeCloseTo(expected, 2);
          }
        }
      }),
      { numRuns: 25 },
    );
  });

  test("between red and blue lies nothing, not purple", () => {
    const heat = { map: Float64Array.of(1, -1), limit: 1, signs: "both" as Signs, smooth: true };
    const { width, data } = heatPixels({ rows: 1, columns: 2 }, heat);
    const alphas = Array.from({ length: width }, (_, x) => data[4 * x + 3] ?? 0);
    expect(Math.min(...alphas)).toBeLessThan((0.85 * 255) / 7);
    for (let x = 0; x < width; x++) {
      const [red] = pixel(data, x);
      if (alphas[x]) expect([POSITIVE[0], NEGATIVE[0]]).toContain(red);
    }
  });
});

describe("hatch", () => {
  const grid = { rows: 1, columns: 4 };
  const heat = { map: Float64Array.of(1, -1, -0.5, -0.1), limit: 1, smooth: false };
  /** The alphas of each cell that are not 0. */
  const lines = (signs: Signs, smooth = false) => {
    const { width, height, data } = hatchPixels(grid, { ...heat, signs, smooth }, 64);
    expect([width, height]).toEqual([64, 16]);
    const cells = [0, 1, 2, 3].map((): number[] => []);
    for (let i = 0; i < width * height; i++) {
      const alpha = data[4 * i + 3] ?? 0;
      if (alpha > 0) cells[Math.floor((i % width) / 16)]?.push(alpha);
    }
    return cells;
  };

  test("lies over what is negative and can be seen, the stronger the clearer", () => {
    const [positive, most, half, faint] = lines("both");
    expect([positive, faint]).toEqual([[], []]);
    // Lines, not a ground: a seventh of the cell.
    expect(Math.abs((most?.length ?? 0) - (16 * 16) / 7)).toBeLessThan(3);
    expect(half?.length).toBeGreaterThan(30);
    expect(new Set(most)).toEqual(new Set([153]));
    expect(half?.every((alpha) => Math.abs(alpha - 76.5) < 1)).toBe(true);
  });

  test("follows the signs that are shown, and values that run", () => {
    expect(lines("for").flat()).toEqual([]);
    expect(lines("against")[1]?.length).toBeGreaterThan(30);
    const [positive, most] = lines("both", true);
    expect(positive).toEqual([]);
    expect(new Set(most).size).toBeGreaterThan(3);
  });
});
