/** The ledger as a bar: parts that add up, on both sides of a zero line. Pure. */

import { plain } from "./format";
import type { LedgerState, LedgerTermState } from "./shapes";

const PARTS = [
  ["pairs", "pairs", "what words and places of the picture contribute together"],
  ["rows_only", "caption alone", "what the caption scores against an uninformative picture"],
  ["columns_only", "image alone", "what the picture scores against an uninformative caption"],
  ["baseline", "baseline", "what uninformative caption and picture score together"],
  [
    "residual",
    "residual",
    "what is left: the error of the integration, or what pairs do not explain",
  ],
] as const;

const VISIBLE = 0.005; // a smaller residual would read 0.00

/** Share of what the parts amount to, that a residual may have: beyond it nothing is explained. */
export const TOLERATED = 0.5;

/** Whether a ledger's parts make up the similarity, but for an error. */
export function addsUp(ledger: LedgerState): boolean {
  const { pairs, rows_only, columns_only, baseline, residual } = ledger;
  const parts = [pairs, rows_only, columns_only, baseline];
  const size = parts.reduce((sum, part) => sum + Math.abs(part), 0);
  return Math.abs(residual) <= TOLERATED * size;
}

/** What there is to say of a ledger whose parts are no parts. */
export function doesNotAddUp({ pairs, residual }: LedgerState): string {
  return (
    "The pairs of this method do not add up to the similarity: their sum is " +
    `${plain(pairs)}, which leaves ${plain(residual)}.`
  );
}

export interface Segment {
  key: keyof LedgerTermState;
  name: string;
  value: number;
  explanation: string;
  /** Percent of the bar. */
  left: number;
  width: number;
}

export interface Bar {
  segments: Segment[];
  /** Where zero and the similarity stand, in percent of the bar. */
  zero: number;
  sum: number;
}

/** Positive parts stack to the right of zero and negative ones to its left, all on one scale. */
export function ledgerBar(ledger: LedgerState): Bar {
  const shown = PARTS.filter(([key]) => key !== "residual" || Math.abs(ledger.residual) >= VISIBLE);
  const values = shown.map(([key]) => ledger[key]);
  const above = values.reduce((sum, value) => sum + Math.max(value, 0), 0);
  const below = values.reduce((sum, value) => sum + Math.max(-value, 0), 0);
  const scale = 100 / (above + below || 1);
  const zero = below * scale;
  let [right, left] = [zero, zero];
  const segments = shown.map(([key, name, explanation]) => {
    const value = ledger[key];
    const width = Math.abs(value) * scale;
    if (value < 0) left -= width;
    else right += width;
    const start = value < 0 ? left : right - width;
    return { key, name, value, explanation, left: start, width };
  });
  return { segments, zero, sum: zero + ledger.similarity * scale };
}
