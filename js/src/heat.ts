/** The heat map: one flat square of pixels for each patch. */

import { css, tint } from "./colour";
import type { Grid } from "./region";

const LARGE = 64; // columns or rows from which a patch gets fewer pixels

/** Pixels of the canvas along a patch; CSS scales them without smoothing. */
export function pixelsPerPatch({ rows, columns }: Grid): number {
  return Math.max(rows, columns) >= LARGE ? 8 : 16;
}

export function paintHeat(
  canvas: HTMLCanvasElement,
  map: Float64Array | null,
  limit: number,
  grid: Grid,
): void {
  canvas.dataset.limit = String(limit);
  const context = canvas.getContext("2d");
  if (!context) return;
  const k = pixelsPerPatch(grid);
  context.clearRect(0, 0, canvas.width, canvas.height);
  map?.forEach((value, j) => {
    const mark = tint(value, limit);
    if (!mark) return;
    context.fillStyle = css(mark);
    context.fillRect((j % grid.columns) * k, Math.floor(j / grid.columns) * k, k, k);
  });
}
