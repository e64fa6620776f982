/** The token × feature matrix as far as it is known, and sums over it. */

import { isNothing } from "./format";
import { largest, total } from "./sums";

const NONE: readonly number[] = [];

export class Pairs {
  /** `(tokens, specials + patches)`, row-major; NaN where a row is not there. */
  readonly values: Float32Array;
  readonly #known: boolean[];
  #count = 0;
  #version = 0;
  #limit: number | null = null;
  #magnitude: number | null = null;

  /**
   * @param quiet for each token, whether it is left out of the shared limit (BOS, EOS, padding)
   * @param specials number of image features that are no patches (CLS); their columns come first
   */
  constructor(
    readonly quiet: readonly boolean[],
    readonly specials: number,
    readonly patches: number,
  ) {
    this.values = new Float32Array(this.tokens * this.width).fill(Number.NaN);
    this.#known = this.quiet.map(() => false);
  }

  get tokens(): number {
    return this.quiet.length;
  }

  /** Columns of the matrix. */
  get width(): number {
    return this.specials + this.patches;
  }

  get count(): number {
    return this.#count;
  }

  /** Grows whenever a row is written. */
  get version(): number {
    return this.#version;
  }

  get complete(): boolean {
    return this.#count === this.tokens;
  }

  has(token: number): boolean {
    return this.#known[token] ?? false;
  }

  missing(tokens?: readonly number[]): number[] {
    return (tokens ?? [...this.quiet.keys()]).filter((token) => !this.has(token));
  }

  /** Take one row; rows with a NaN, of another width or of no token are not taken. */
  write(token: number, row: Float32Array): boolean {
    if (!Number.isInteger(token) || token < 0 || token >= this.tokens) return false;
    if (row.length !== this.width || row.includes(Number.NaN)) return false;
    this.values.set(row, token * this.width);
    if (!this.#known[token]) this.#count++;
    this.#known[token] = true;
    this.#version++;
    this.#limit = null;
    this.#magnitude = null;
    return true;
  }

  /** Take every complete row of a whole matrix; a matrix of another shape holds nothing for us. */
  merge(matrix: Float32Array): void {
    if (matrix.length !== this.values.length) return;
    for (let token = 0; token < this.tokens; token++) {
      this.write(token, matrix.subarray(token * this.width, (token + 1) * this.width));
    }
  }

  /** Sum of tokens' rows, `(patches,)`; null where one of them is not there. */
  map(tokens: readonly number[]): Float64Array | null {
    if (tokens.length === 0 || this.missing(tokens).length > 0) return null;
    const sum = new Float64Array(this.patches);
    for (const token of tokens) {
      const row = this.#patchesOf(token);
      for (let j = 0; j < this.patches; j++) sum[j] = (sum[j] ?? 0) + (row[j] ?? 0);
    }
    return sum;
  }

  /** Sum over patches and special features, `(tokens,)`; NaN for rows that are not there. */
  column(patches: readonly number[], specials: readonly number[] = NONE): Float64Array {
    const features = [...specials, ...patches.map((patch) => this.specials + patch)];
    return Float64Array.from(this.#known, (known, token) => {
      let sum = known ? 0 : Number.NaN;
      for (const feature of features) sum += this.values[token * this.width + feature] ?? 0;
      return sum;
    });
  }

  /** Sum of each row, special features too, `(tokens,)`; NaN for rows that are not there. */
  rowTotals(): Float64Array {
    return Float64Array.from(this.#known, (known, token) =>
      known ? total(this.#rowOf(token)) : Number.NaN,
    );
  }

  /** What tokens have with each special feature, `(specials,)`; NaN where a row is not there. */
  specialsOf(tokens: readonly number[]): Float64Array {
    return Float64Array.from({ length: this.specials }, (_, special) =>
      total(
        tokens.map((token) =>
          this.has(token) ? (this.values[token * this.width + special] ?? 0) : Number.NaN,
        ),
      ),
    );
  }

  /** Whether tokens have nothing with anything, or are not known yet. */
  isNothing(tokens: readonly number[]): boolean {
    return tokens.every((token) => !this.has(token) || isNothing(largest(this.#rowOf(token))));
  }

  /** All magnitudes together, of which each value is a share; NaN while rows are missing. */
  magnitude(): number {
    if (!this.complete) return Number.NaN;
    this.#magnitude ??= this.values.reduce((sum, value) => sum + Math.abs(value), 0);
    return this.#magnitude;
  }

  /** Largest magnitude of a word's pair with a patch, over the rows that are there. */
  limit(): number {
    if (this.#limit !== null) return this.#limit;
    let limit = 0;
    for (let token = 0; token < this.tokens; token++) {
      if (!this.quiet[token] && this.has(token)) {
        limit = Math.max(limit, largest(this.#patchesOf(token)));
      }
    }
    this.#limit = limit;
    return limit;
  }

  #rowOf(token: number): Float32Array {
    return this.values.subarray(token * this.width, (token + 1) * this.width);
  }

  #patchesOf(token: number): Float32Array {
    return this.values.subarray(token * this.width + this.specials, (token + 1) * this.width);
  }
}
