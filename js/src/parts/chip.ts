/** Showing a value as the background of a group of features. */

import { css, inkOn, isAgainst, isBeyond, over, type Rgb, tint, wanted } from "../values/colour";
import { exact, signed } from "../values/format";
import type { Signs } from "../values/settings";
import { setAttributes, setStyle } from "./dom";

/** What chips stand on. */
export interface Paper {
  ground: Rgb;
  ink: Rgb;
}

/** How values become tints. */
export interface Tinting {
  limit: number;
  signs: Signs;
  paper: Paper;
}

/** Tint an element by a value, with text that can be read on it, and marks where it is cut or is against. */
export function paintValue(
  element: HTMLElement,
  value: number,
  { limit, signs, paper }: Tinting,
): void {
  const mark = wanted(value, signs) ? tint(value, limit) : null;
  setStyle(element, "background-color", mark ? css(mark) : "");
  const text = mark && inkOn(over(mark, paper.ground), paper.ink);
  setStyle(element, "color", text ? `rgb(${text.join(", ")})` : "");
  setAttributes(element, {
    "data-tinted": mark !== null,
    "data-against": mark !== null && isAgainst(value, limit),
    "data-beyond": mark !== null && isBeyond(value, limit),
    "data-value": Number.isNaN(value) ? undefined : exact(value),
  });
}

/** A value for those who do not see colours. */
export function spoken(value: number, { limit }: Tinting): string {
  return isBeyond(value, limit) ? `${signed(value)}, beyond the colour scale` : signed(value);
}
