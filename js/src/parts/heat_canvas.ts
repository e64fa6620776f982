/** Painting a heat map on a canvas. */

import { type Heat, heatPixels } from "../values/heat";
import type { Grid } from "../values/region";

/** Paint a map, or clear the canvas. */
export function paintHeat(canvas: HTMLCanvasElement, grid: Grid, heat: Heat | null): void {
  canvas.dataset.limit = String(heat?.limit ?? 0);
  const size = heat ? heatPixels(grid, heat) : { width: grid.columns, height: grid.rows };
  if (canvas.width !== size.width) canvas.width = size.width;
  if (canvas.height !== size.height) canvas.height = size.height;
  const context = canvas.getContext("2d");
  if (!context || size.width * size.height === 0) return;
  if ("data" in size) context.putImageData(new ImageData(size.data, size.width, size.height), 0, 0);
  else context.clearRect(0, 0, size.width, size.height);
}
