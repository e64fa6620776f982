import fc from "fast-check";
import { expect, test } from "vitest";
import { addsUp, doesNotAddUp, ledgerBar } from "../src/values/ledger";

const part = fc.double({ min: -1, max: 1, noNaN: true });
const UNIT = { unit_scale: 1, terms: [] };
const ledger = fc
  .record({ pairs: part, rows_only: part, columns_only: part, baseline: part, residual: part })
  .map((parts) => ({
    ...{ ...parts, ...UNIT },
    similarity:
      parts.pairs + parts.rows_only + parts.columns_only + parts.baseline + parts.residual,
  }));

test("lengths are in proportion, signs lie on their side of zero, nothing leaves the bar", () => {
  fc.assert(
    fc.property(ledger, (ledger) => {
      const { segments, zero, sum } = ledgerBar(ledger);
      const size = segments.reduce((all, { value }) => all + Math.abs(value), 0);
      fc.pre(size > 0.01);
      for (const { value, left, width } of segments) {
        expect(width).toBeCloseTo((100 * Math.abs(value)) / size, 6);
        expect(left).toBeGreaterThan(-1e-6);
        expect(left + width).toBeLessThan(100 + 1e-6);
        if (value < 0) expect(left + width).toBeLessThan(zero + 1e-6);
        if (value > 0) expect(left).toBeGreaterThan(zero - 1e-6);
      }
      if (Math.abs(ledger.residual) >= 0.005) {
        const signed = segments.reduce(
          (all, { value, width }) => all + Math.sign(value) * width,
          0,
        );
        expect(sum - zero).toBeCloseTo(signed, 6);
      }
    }),
  );
});

test("a residual that would read 0.00 is not drawn", () => {
  const parts = { ...UNIT, pairs: 1, rows_only: 0, columns_only: 0, baseline: 0, similarity: 1 };
  const keys = (residual: number) => ledgerBar({ ...parts, residual }).segments.map((s) => s.key);
  expect(keys(0.004)).not.toContain("residual");
  expect(keys(-0.02)).toContain("residual");
});

test("a ledger whose residual is no error does not pretend to add up", () => {
  const of = (pairs: number, baseline: number, residual: number) => ({
    ...{ ...UNIT, pairs, baseline, residual, rows_only: 0, columns_only: 0 },
    similarity: pairs + baseline + residual,
  });
  expect(addsUp(of(0.3, 0.3, -0.29))).toBe(true);
  expect(addsUp(of(0.3, -0.3, -0.31))).toBe(false);
  // A similarity of nothing has parts all the same; nothing at all has none.
  expect(addsUp(of(0.3, -0.3, 0.002))).toBe(true);
  expect(addsUp(of(0, 0, 0))).toBe(true);
  expect(addsUp(of(83.1, 0, -82.87))).toBe(false);
  expect(doesNotAddUp(of(83.1, 0, -82.87))).toMatch(/their sum is 83\.10, which leaves −82\.87\./);
});
