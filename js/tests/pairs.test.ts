import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Pairs } from "../src/values/pairs";
import { largest, total } from "../src/values/sums";

const value = fc.float({ min: -4, max: 4, noNaN: true });

/** A matrix with some rows missing, beside plain arrays of the same numbers. */
const filled = fc
  .record({
    tokens: fc.integer({ min: 1, max: 6 }),
    specials: fc.nat(2),
    patches: fc.integer({ min: 1, max: 9 }),
  })
  .chain((shape) => {
    const { tokens, specials, patches } = shape;
    const one = fc.array(value, { minLength: specials + patches, maxLength: specials + patches });
    return fc.record({
      shape: fc.constant(shape),
      rows: fc.array(fc.option(one), { minLength: tokens, maxLength: tokens }),
      quiet: fc.array(fc.boolean(), { minLength: tokens, maxLength: tokens }),
    });
  })
  .map(({ shape, rows, quiet }) => {
    const pairs = new Pairs(quiet, shape.specials, shape.patches);
    rows.forEach((row, i) => {
      if (row) pairs.write(i, Float32Array.from(row));
    });
    return { ...shape, pairs, rows, quiet };
  });

describe("sums", () => {
  test("a map is the sum of its rows' patches, and null where one is missing", () => {
    fc.assert(
      fc.property(filled, ({ pairs, rows, specials, patches }) => {
        const all = rows.map((_, i) => i);
        const map = pairs.map(all);
        expect(map === null).toBe(rows.includes(null));
        if (map === null) return;
        for (let j = 0; j < patches; j++) {
          expect(map[j]).toBeCloseTo(total(rows.map((row) => row?.[specials + j] ?? 0)), 4);
        }
      }),
    );
  });

  test("a column is one number a token, and NaN where its row is missing", () => {
    fc.assert(
      fc.property(filled, ({ pairs, rows, specials, patches }) => {
        const column = pairs.column([patches - 1], specials > 0 ? [0] : []);
        rows.forEach((row, i) => {
          const special = specials > 0 ? (row?.[0] ?? 0) : 0;
          const sum = (row?.[specials + patches - 1] ?? 0) + special;
          expect(Number.isNaN(column[i])).toBe(row === null);
          if (row) expect(column[i]).toBeCloseTo(sum, 5);
        });
      }),
    );
  });

  test("rows and columns add up to the same whole", () => {
    fc.assert(
      fc.property(filled, ({ pairs, rows }) => {
        fc.pre(!rows.includes(null));
        const all = rows.map((_, i) => i);
        const map = pairs.map(all) as Float64Array;
        const whole = total(rows.flatMap((row) => row ?? []));
        expect(total(map) + total(pairs.specialsOf(all))).toBeCloseTo(whole, 4);
        expect(total(pairs.rowTotals())).toBeCloseTo(whole, 4);
      }),
    );
  });

  test("magnitudes are of all pairs, and unknown while a row is missing", () => {
    fc.assert(
      fc.property(filled, ({ pairs, rows }) => {
        const sizes = rows.flatMap((row) => row ?? []).map(Math.abs);
        const expected = rows.includes(null) ? Number.NaN : total(sizes);
        if (Number.isNaN(expected)) expect(pairs.magnitude()).toBeNaN();
        else expect(pairs.magnitude()).toBeCloseTo(expected, 3);
        // A row that comes again counts once, as it is now.
        const { width } = pairs;
        pairs.write(0, new Float32Array(width).fill(-2));
        const rest = total(sizes) - total((rows[0] ?? []).map(Math.abs));
        if (pairs.complete) expect(pairs.magnitude()).toBeCloseTo(rest + 2 * width, 3);
      }),
    );
  });
});

test("the shared limit looks at known rows of words, and at patches alone", () => {
  fc.assert(
    fc.property(filled, ({ pairs, rows, quiet, specials }) => {
      const spoken = rows.filter((row, i) => row && !quiet[i]);
      const sizes = spoken.flatMap((row) => (row ?? []).slice(specials).map(Math.abs));
      expect(pairs.limit()).toBeCloseTo(Math.max(0, ...sizes), 6);
    }),
  );
});

describe("write", () => {
  test("counts a row once, and takes neither torn nor foreign rows", () => {
    const pairs = new Pairs([false, false], 1, 2);
    expect(pairs.write(1, Float32Array.of(1, 2, 3))).toBe(true);
    expect(pairs.write(1, Float32Array.of(4, 5, 6))).toBe(true);
    expect(pairs.write(0, Float32Array.of(1, Number.NaN, 3))).toBe(false);
    expect(pairs.write(0, Float32Array.of(1, 2))).toBe(false);
    expect(pairs.write(2, Float32Array.of(1, 2, 3))).toBe(false);
    expect(pairs.count).toBe(1);
    expect(pairs.missing()).toEqual([0]);
    expect([...(pairs.map([1]) ?? [])]).toEqual([5, 6]);
  });

  test("a matrix of another shape is not taken", () => {
    const pairs = new Pairs([false, false], 0, 2);
    pairs.merge(Float32Array.of(1, 2, 3));
    expect(pairs.count).toBe(0);
    pairs.merge(Float32Array.of(1, 2, Number.NaN, Number.NaN));
    expect(pairs.missing()).toEqual([1]);
  });
});

test("largest passes over what is no number", () => {
  expect(largest([1, -3, Number.NaN, 2])).toBe(3);
});
