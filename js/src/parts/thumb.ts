/** A small map over a small picture. */

import type { Rgb } from "../values/colour";
import type { Heat } from "../values/heat";
import type { Grid } from "../values/region";
import { h, setStyle } from "./dom";
import { paintHatch, paintHeat, paintShares } from "./heat_canvas";
import type { ShownImage } from "./image";

const SIZE = 96; // pixels

export interface Thumb {
  readonly element: HTMLElement;
  paint(values: Heat): void;
  /** Paint shares of one whole, which have no sign. */
  paintShares(shares: Float64Array, colour: Rgb): void;
  /** Put a picture under the map, in its proportions. */
  dress(image: ShownImage): void;
}

export function createThumb(grid: Grid): Thumb {
  const [heat, hatch] = [h("canvas", { class: "fpattr-colours" }), h("canvas", {})];
  const element = h("span", { class: "fpattr-thumb", "aria-hidden": "true" }, heat, hatch);
  setStyle(element, "aspect-ratio", String(Number((grid.columns / grid.rows || 1).toFixed(4))));
  return {
    element,
    paint(values) {
      paintHatch(hatch, grid, values, SIZE);
      paintHeat(heat, grid, values);
    },
    paintShares(shares, colour) {
      paintHatch(hatch, grid, null);
      paintShares(heat, grid, shares, colour);
    },
    dress({ element: image, ratio }) {
      if (ratio === null) return;
      setStyle(element, "aspect-ratio", String(Number(ratio.toFixed(4))));
      setStyle(element, "--fpattr-under", `url("${image.src}")`);
    },
  };
}
