import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Pairs } from "../src/values/pairs";
import { largest, total } from "../src/values/sums";

const value = fc.float({ min: -4, max: 4, noNaN: true });

/** A matrix with some rows missing, beside plain arrays of the same numbers. */
const filled = fc
  .record({ rows: fc.integer({ min: 1, max: 6 }), columns: fc.integer({ min: 1, max: 11 }) })
  .chain(({ rows, columns }) => {
    const flags = (length: number) =>
      fc.array(fc.boolean(), { minLength: length, maxLength: length });
    const one = fc.array(value, { minLength: columns, maxLength: columns });
    return fc.record({
      rows: fc.array(fc.option(one), { minLength: rows, maxLength: rows }),
      special: fc.tuple(flags(rows), flags(columns)),
      chosen: fc.subarray([...Array(columns).keys()]),
    });
  })
  .map(({ rows, special, chosen }) => {
    const pairs = new Pairs(special);
    rows.forEach((row, i) => {
      if (row) pairs.write(i, Float32Array.from(row));
    });
    return { pairs, rows, special, chosen };
  });

describe("sums", () => {
  test("along rows are one number a column, and NaN where one of the rows is missing", () => {
    fc.assert(
      fc.property(filled, ({ pairs, rows }) => {
        const all = rows.map((_, i) => i);
        const sums = pairs.along(0, all);
        expect(sums).toHaveLength(pairs.columns);
        expect(pairs.totals(0)).toEqual(sums);
        sums.forEach((sum, j) => {
          if (rows.includes(null)) expect(sum).toBeNaN();
          else expect(sum).toBeCloseTo(total(rows.map((row) => row?.[j] ?? 0)), 4);
        });
      }),
    );
  });

  test("along columns are one number a row, and NaN where that row is missing", () => {
    fc.assert(
      fc.property(filled, ({ pairs, rows, chosen }) => {
        const sums = pairs.along(1, chosen);
        rows.forEach((row, i) => {
          if (!row) expect(sums[i]).toBeNaN();
          else expect(sums[i]).toBeCloseTo(total(chosen.map((j) => row[j] ?? 0)), 4);
        });
      }),
    );
  });

  test("along rows and along columns add up to the same whole", () => {
    fc.assert(
      fc.property(filled, ({ pairs, rows }) => {
        fc.pre(!rows.includes(null));
        const whole = total(rows.flatMap((row) => row ?? []));
        expect(total(pairs.totals(0))).toBeCloseTo(whole, 4);
        expect(total(pairs.totals(1))).toBeCloseTo(whole, 4);
      }),
    );
  });

  test("a row that comes again is summed as it is now", () => {
    const pairs = new Pairs([[false], [false, false]]);
    pairs.write(0, Float32Array.of(1, 2));
    expect([...pairs.totals(0), ...pairs.totals(1)]).toEqual([1, 2, 3]);
    pairs.write(0, Float32Array.of(5, 2));
    expect([...pairs.totals(0), ...pairs.totals(1)]).toEqual([5, 2, 7]);
  });

  test("magnitudes are of all pairs, and unknown while a row is missing", () => {
    fc.assert(
      fc.property(filled, ({ pairs, rows }) => {
        const sizes = rows.flatMap((row) => row ?? []).map(Math.abs);
        const expected = rows.includes(null) ? Number.NaN : total(sizes);
        if (Number.isNaN(expected)) expect(pairs.magnitude()).toBeNaN();
        else expect(pairs.magnitude()).toBeCloseTo(expected, 3);
        // A row that comes again counts once, as it is now.
        const { columns } = pairs;
        pairs.write(0, new Float32Array(columns).fill(-2));
        const rest = total(sizes) - total((rows[0] ?? []).map(Math.abs));
        if (pairs.complete) expect(pairs.magnitude()).toBeCloseTo(rest + 2 * columns, 3);
      }),
    );
  });
});

test("the shared limit looks at known pairs in which nothing is special", () => {
  fc.assert(
    fc.property(filled, ({ pairs, rows, special: [quiet, special] }) => {
      const sizes = rows
        .filter((_, i) => !quiet[i])
        .flatMap((row) => (row ?? []).filter((_, j) => !special[j]).map(Math.abs));
      expect(pairs.limit()).toBeCloseTo(Math.max(0, ...sizes), 6);
    }),
  );
});

test("what has nothing with anything is nothing, on either side", () => {
  const pairs = new Pairs([
    [false, false],
    [false, false],
  ]);
  pairs.write(0, Float32Array.of(0, 1e-9));
  pairs.write(1, Float32Array.of(0, 2));
  expect([0, 1].map((row) => pairs.isNothing(0, [row]))).toEqual([true, false]);
  expect([0, 1].map((column) => pairs.isNothing(1, [column]))).toEqual([true, false]);
});

describe("write", () => {
  const FLAGS = [
    [false, false],
    [true, false, false],
  ] as const;

  test("counts a row once, and takes neither torn nor foreign rows", () => {
    const pairs = new Pairs(FLAGS);
    expect(pairs.write(1, Float32Array.of(1, 2, 3))).toBe(true);
    expect(pairs.write(1, Float32Array.of(4, 5, 6))).toBe(true);
    expect(pairs.write(0, Float32Array.of(1, Number.NaN, 3))).toBe(false);
    expect(pairs.write(0, Float32Array.of(1, 2))).toBe(false);
    expect(pairs.write(2, Float32Array.of(1, 2, 3))).toBe(false);
    expect(pairs.count).toBe(1);
    expect(pairs.missing()).toEqual([0]);
    expect([...pairs.along(0, [1])]).toEqual([4, 5, 6]);
  });

  test("a matrix of another shape is not taken", () => {
    const pairs = new Pairs([
      [false, false],
      [false, false],
    ]);
    pairs.merge(Float32Array.of(1, 2, 3));
    expect(pairs.count).toBe(0);
    pairs.merge(Float32Array.of(1, 2, Number.NaN, Number.NaN));
    expect(pairs.missing()).toEqual([1]);
  });
});

test("largest passes over what is no number", () => {
  expect(largest([1, -3, Number.NaN, 2])).toBe(3);
});
