/** Painting a heat map on canvases: its colours, and lines over what is negative. */

import type { Rgb } from "../values/colour";
import { type Heat, hatchPixels, heatPixels, type Pixels, sharePixels } from "../values/heat";
import type { Grid } from "../values/region";

const HATCH = 448; // pixels: about as many as a picture has on the screen

/** Paint a map, or clear the canvas. */
export function paintHeat(canvas: HTMLCanvasElement, grid: Grid, heat: Heat | null): void {
  canvas.dataset.limit = String(heat?.limit ?? 0);
  put(canvas, grid, heat && heatPixels(grid, heat));
}

/** Paint the lines over a map's negative values, or clear the canvas. */
export function paintHatch(
  canvas: HTMLCanvasElement,
  grid: Grid,
  heat: Heat | null,
  size = HATCH,
): void {
  put(canvas, grid, heat && hatchPixels(grid, heat, size));
}

/** Paint shares of one whole, which have no sign. */
export function paintShares(
  canvas: HTMLCanvasElement,
  grid: Grid,
  shares: Float64Array,
  colour: Rgb,
): void {
  put(canvas, grid, sharePixels(grid, shares, colour));
}

function put(canvas: HTMLCanvasElement, grid: Grid, pixels: Pixels | null): void {
  const size = pixels ?? { width: grid.columns, height: grid.rows };
  if (canvas.width !== size.width) canvas.width = size.width;
  if (canvas.height !== size.height) canvas.height = size.height;
  const context = canvas.getContext("2d");
  if (!context || size.width * size.height === 0) return;
  if (pixels) context.putImageData(new ImageData(pixels.data, size.width, size.height), 0, 0);
  else context.clearRect(0, 0, size.width, size.height);
}
