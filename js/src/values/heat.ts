/** A heat map as pixels: a flat square for each cell, or values that run into each other. */

import { isAgainst, type Rgb, tint, wanted } from "./colour";
import type { Grid } from "./region";
import type { Signs } from "./settings";

export interface Heat {
  map: Float64Array;
  limit: number;
  signs: Signs;
  smooth: boolean;
}

export interface Pixels {
  width: number;
  height: number;
  /** RGBA, row by row. */
  data: Uint8ClampedArray<ArrayBuffer>;
}

/** Pixels along a cell. One is enough for flat squares: CSS scales them without smoothing. */
function pixelsPerCell(grid: Grid, smooth: boolean): number {
  if (!smooth) return 1;
  return Math.max(grid.rows, grid.columns) > 32 ? 4 : 8;
}

export function heatPixels(grid: Grid, { map, limit, signs, smooth }: Heat): Pixels {
  const k = pixelsPerCell(grid, smooth);
  const [width, height] = [grid.columns * k, grid.rows * k];
  const values = k === 1 ? map : between(map, grid, k);
  const data = new Uint8ClampedArray(4 * width * height);
  values.forEach((value, i) => {
    const mark = wanted(value, signs) ? tint(value, limit) : null;
    if (mark) put(data, 4 * i, mark.colour, mark.alpha);
  });
  return { width, height, data };
}

/** How much each cell has of what is shared, in one colour: the more, the stronger. */
export function sharePixels(grid: Grid, shares: Float64Array, colour: Rgb): Pixels {
  const data = new Uint8ClampedArray(4 * grid.rows * grid.columns);
  const most = Math.max(...shares);
  shares.forEach((share, i) => {
    if (share > 0) put(data, 4 * i, colour, (STRONGEST_SHARE * share) / most);
  });
  return { width: grid.columns, height: grid.rows, data };
}

const STRONGEST_SHARE = 0.85;
const PERIOD = 7; // pixels from line to line
const LINE = [255, 255, 255] as const;
const STRONGEST_LINE = 0.6;

/**
 * Diagonal lines over what is negative, so that signs can be told without hue; the stronger the
 * value, the clearer. `size`: pixels along the longer side, about.
 */
export function hatchPixels(grid: Grid, { map, limit, signs, smooth }: Heat, size: number): Pixels {
  const k = Math.max(4, Math.round(size / Math.max(grid.rows, grid.columns, 1)));
  const [width, height] = [grid.columns * k, grid.rows * k];
  const data = new Uint8ClampedArray(4 * width * height);
  const values = smooth ? between(map, grid, k) : null;
  for (let y = 0; y < height; y++) {
    for (let x = (PERIOD - (y % PERIOD)) % PERIOD; x < width; x += PERIOD) {
      const cell = Math.floor(y / k) * grid.columns + Math.floor(x / k);
      const value = (values ? values[y * width + x] : map[cell]) ?? 0;
      if (!isAgainst(value, limit) || !wanted(value, signs)) continue;
      put(data, 4 * (y * width + x), LINE, STRONGEST_LINE * Math.min(1, -value / limit));
    }
  }
  return { width, height, data };
}

/**
 * Values at `k × k` points a cell, bilinear between the middles of cells and flat beyond the
 * outermost. Values are interpolated, not colours: what lies between red and blue is nothing.
 */
function between(map: Float64Array, { rows, columns }: Grid, k: number): Float64Array {
  const across = stops(columns, k);
  const down = stops(rows, k);
  const values = new Float64Array(across.length * down.length);
  let i = 0;
  for (const y of down) {
    const [upper, lower] = [y.first * columns, y.second * columns];
    for (const x of across) {
      const top = mix(map[upper + x.first], map[upper + x.second], x.share);
      const bottom = mix(map[lower + x.first], map[lower + x.second], x.share);
      values[i++] = mix(top, bottom, y.share);
    }
  }
  return values;
}

interface Stop {
  first: number;
  second: number;
  /** Of the second. */
  share: number;
}

function stops(count: number, k: number): Stop[] {
  return Array.from({ length: count * k }, (_, pixel) => {
    const position = Math.min(Math.max((pixel + 0.5) / k - 0.5, 0), count - 1);
    const first = Math.floor(position);
    return { first, second: Math.min(first + 1, count - 1), share: position - first };
  });
}

function mix(a: number | undefined, b: number | undefined, share: number): number {
  return (a ?? 0) * (1 - share) + (b ?? 0) * share;
}

function put(data: Uint8ClampedArray, at: number, colour: Rgb, alpha: number): void {
  data[at] = colour[0];
  data[at + 1] = colour[1];
  data[at + 2] = colour[2];
  data[at + 3] = 255 * alpha;
}
