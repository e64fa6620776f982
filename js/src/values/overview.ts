/** What an overview shows before anything is pointed at. Pure. */

import type { Pairs } from "./pairs";
import type { Grid } from "./region";
import type { FoldState } from "./shapes";
import { type Both, otherThan, type Side, type SideIndex, sumAt } from "./sides";
import { largest } from "./sums";

/** A word, or words that stand in the same place of several sentences. */
export interface Entry {
  readonly name: string;
  /** The name where its place tells which of several of that name it is. */
  readonly text: string;
  /** Features of its side. */
  readonly features: readonly number[];
}

/** A small map: where its picture stands among the panels of its side, and its patches. */
export interface Field {
  readonly panel: number;
  readonly grid: Grid;
  /** Number of the first patch on the side. */
  readonly first: number;
}

/** A map of each entry of `side` over the pictures of the other. */
export interface Maps {
  readonly kind: "maps";
  readonly side: SideIndex;
  readonly entries: readonly Entry[];
  /** How many entries there are; the strongest are shown. */
  readonly of: number;
  readonly fields: readonly Field[];
}

/** Words of one side with words of the other. */
export interface Matrix {
  readonly kind: "matrix";
  readonly sides: Both<readonly Entry[]>;
  /** How many there are on each side. */
  readonly of: Both<number>;
}

export type Overview = Maps | Matrix;

const MOST_MAPS = 12;
const MOST_PICTURES = 3;
const MOST_WORDS = 16; // of a side of the matrix

/**
 * Maps where there are words on one side and pictures on the other, and a matrix for words with
 * words. Pictures with pictures have none: these show all that they share by themselves.
 */
export function overviewOf(
  sides: Both<Side>,
  folds: Both<readonly FoldState[]>,
  pairs: Pairs,
): Overview | null {
  const words = [entriesOf(sides[0], folds[0]), entriesOf(sides[1], folds[1])] as const;
  const fields = [fieldsOf(sides[0]), fieldsOf(sides[1])] as const;
  for (const side of [0, 1] as const) {
    const there = fields[otherThan(side)].slice(0, MOST_PICTURES);
    if (words[side].length === 0 || there.length === 0) continue;
    const entries = strongest(words[side], MOST_MAPS, side, sides, pairs);
    return { kind: "maps", side, entries, of: words[side].length, fields: there };
  }
  if (words[0].length === 0 || words[1].length === 0) return null;
  return {
    kind: "matrix",
    sides: [
      strongest(words[0], MOST_WORDS, 0, sides, pairs),
      strongest(words[1], MOST_WORDS, 1, sides, pairs),
    ],
    of: [words[0].length, words[1].length],
  };
}

/** What sentences of a side consist of: words that stand for each other are one. */
function entriesOf({ panels, special }: Side, folds: readonly FoldState[]): readonly Entry[] {
  if (folds.length > 0) {
    return folds
      .filter(({ features }) => !features.every((feature) => special[feature]))
      .map(({ name, features }) => ({ name, text: name, features }));
  }
  return panels
    .filter(({ state }) => state.kind === "sentence")
    .flatMap(({ groups }) => groups.filter(({ special, listed }) => listed && !special));
}

function fieldsOf({ panels }: Side): Field[] {
  return panels.flatMap(({ state, first }, panel) => {
    if (state.kind !== "picture") return [];
    const [rows = 0, columns = 0] = state.grid;
    return [{ panel, grid: { rows, columns }, first: first + state.names.length }];
  });
}

/** The strongest so many, in the order of reading; the first so many while rows are missing. */
function strongest(
  entries: readonly Entry[],
  count: number,
  side: SideIndex,
  sides: Both<Side>,
  pairs: Pairs,
): readonly Entry[] {
  if (entries.length <= count) return entries;
  if (!pairs.complete) return entries.slice(0, count);
  const { ordinary } = sides[otherThan(side)];
  const sizes = new Map(
    entries.map((entry) => {
      const values = pairs.along(side, entry.features);
      return [entry, ordinary.reduce((sum, other) => sum + Math.abs(values[other] ?? 0), 0)];
    }),
  );
  const sorted = [...entries].sort((a, b) => (sizes.get(b) ?? 0) - (sizes.get(a) ?? 0));
  const kept = new Set(sorted.slice(0, count));
  return entries.filter((entry) => kept.has(entry));
}

/** Maps of an entry, one for each field; NaN where a row is missing. */
export function mapsOf({ side, fields }: Maps, entry: Entry, pairs: Pairs): Float64Array[] {
  const values = pairs.along(side, entry.features);
  return fields.map(({ first, grid }) => values.subarray(first, first + grid.rows * grid.columns));
}

/** Values of the matrix, row by row. */
export function cellsOf({ sides: [rows, columns] }: Matrix, pairs: Pairs): Float64Array {
  const cells = new Float64Array(rows.length * columns.length);
  rows.forEach((row, i) => {
    const values = pairs.along(0, row.features);
    columns.forEach((column, j) => {
      cells[i * columns.length + j] = sumAt(column.features, values);
    });
  });
  return cells;
}

/** The largest magnitude that is shown. */
export function sizeOf(maps: Iterable<Float64Array>): number {
  let size = 0;
  for (const map of maps) size = Math.max(size, largest(map));
  return size;
}
