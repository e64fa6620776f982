/** The matrix of all pairs as far as it is known, and sums over it. */

import { isNothing } from "./format";
import { type Both, otherThan, type SideIndex } from "./sides";
import { largest } from "./sums";

export class Pairs {
  /** `(first, second)`, row-major; NaN where a row is not there. */
  readonly values: Float32Array;
  readonly #known: boolean[];
  #count = 0;
  #version = 0;
  #limit: number | null = null;
  #magnitude: number | null = null;
  #totals: [Float64Array | null, Float64Array | null] = [null, null];

  /** @param special for the features of each side, whether the shared limit leaves them out */
  constructor(readonly special: Both<readonly boolean[]>) {
    this.values = new Float32Array(this.rows * this.columns).fill(Number.NaN);
    this.#known = this.special[0].map(() => false);
  }

  /** Features of side 0. */
  get rows(): number {
    return this.special[0].length;
  }

  /** Features of side 1. */
  get columns(): number {
    return this.special[1].length;
  }

  /** Rows that are there. */
  get count(): number {
    return this.#count;
  }

  /** Grows whenever a row is written. */
  get version(): number {
    return this.#version;
  }

  get complete(): boolean {
    return this.#count === this.rows;
  }

  has(row: number): boolean {
    return this.#known[row] ?? false;
  }

  missing(rows?: readonly number[]): number[] {
    return (rows ?? [...this.special[0].keys()]).filter((row) => !this.has(row));
  }

  /** Take one row; rows with a NaN, of another width or of no feature are not taken. */
  write(row: number, values: Float32Array): boolean {
    if (!Number.isInteger(row) || row < 0 || row >= this.rows) return false;
    if (values.length !== this.columns || values.includes(Number.NaN)) return false;
    this.values.set(values, row * this.columns);
    if (!this.#known[row]) this.#count++;
    this.#known[row] = true;
    this.#version++;
    this.#limit = null;
    this.#magnitude = null;
    this.#totals = [null, null];
    return true;
  }

  /** Take every complete row of a whole matrix; a matrix of another shape holds nothing for us. */
  merge(matrix: Float32Array): void {
    if (matrix.length !== this.values.length) return;
    for (let row = 0; row < this.rows; row++) {
      this.write(row, matrix.subarray(row * this.columns, (row + 1) * this.columns));
    }
  }

  /** Take the rows that two others both have: those of the first less those of the second. */
  takeDifference(whole: Pairs, part: Pairs): void {
    for (let row = 0; row < this.rows; row++) {
      if (!whole.has(row) || !part.has(row)) continue;
      const less = part.#row(row);
      this.write(
        row,
        whole.#row(row).map((value, column) => value - (less[column] ?? 0)),
      );
    }
  }

  /**
   * Sum over features of a side, one number for each feature of the other; NaN where it is missing.
   */
  along(side: SideIndex, features: readonly number[]): Float64Array {
    return side === 0 ? this.#sumOfRows(features) : this.#sumOfColumns(features);
  }

  /** Sum over all features of a side, one number for each feature of the other. */
  totals(side: SideIndex): Float64Array {
    const known = this.#totals[side];
    if (known) return known;
    const all = this.along(side, [...this.special[side].keys()]);
    this.#totals[side] = all;
    return all;
  }

  #sumOfRows(rows: readonly number[]): Float64Array {
    const sum = new Float64Array(this.columns);
    if (this.missing(rows).length > 0) return sum.fill(Number.NaN);
    for (const row of rows) {
      const values = this.#row(row);
      for (let j = 0; j < this.columns; j++) sum[j] = (sum[j] ?? 0) + (values[j] ?? 0);
    }
    return sum;
  }

  #sumOfColumns(columns: readonly number[]): Float64Array {
    return Float64Array.from(this.#known, (known, row) => {
      let sum = known ? 0 : Number.NaN;
      for (const column of columns) sum += this.values[row * this.columns + column] ?? 0;
      return sum;
    });
  }

  /** Whether features of a side have nothing with anything, or are not known yet. */
  isNothing(side: SideIndex, features: readonly number[]): boolean {
    const others = this.special[otherThan(side)].length;
    return features.every((feature) => {
      for (let other = 0; other < others; other++) {
        const value = side === 0 ? this.#at(feature, other) : this.#at(other, feature);
        if (!Number.isNaN(value) && !isNothing(value)) return false;
      }
      return true;
    });
  }

  /** All magnitudes together, of which each value is a share; NaN while rows are missing. */
  magnitude(): number {
    if (!this.complete) return Number.NaN;
    this.#magnitude ??= this.values.reduce((sum, value) => sum + Math.abs(value), 0);
    return this.#magnitude;
  }

  /** Largest magnitude of a pair in which nothing is special, over the rows that are there. */
  limit(): number {
    if (this.#limit !== null) return this.#limit;
    const [quiet, special] = this.special;
    let limit = 0;
    for (let row = 0; row < this.rows; row++) {
      if (quiet[row] || !this.has(row)) continue;
      limit = Math.max(limit, largest(this.#row(row).filter((_, column) => !special[column])));
    }
    this.#limit = limit;
    return limit;
  }

  #at(row: number, column: number): number {
    return this.values[row * this.columns + column] ?? Number.NaN;
  }

  #row(row: number): Float32Array {
    return this.values.subarray(row * this.columns, (row + 1) * this.columns);
  }
}
