/** Showing a value as the background of a word, a piece of a word or CLS. */

import { css, inkOn, over, type Rgb, tint } from "./colour";
import { setAttributes, setStyle } from "./dom";
import { exact } from "./format";
import type { Signs } from "./protocol";
import { wanted } from "./settings";

/** What chips stand on. */
export interface Paper {
  ground: Rgb;
  ink: Rgb;
}

/** How values become tints. */
export interface Tinting {
  limit: number;
  strength: number;
  signs: Signs;
  paper: Paper;
}

/** Tint an element by a value, with text that can be read on it. */
export function paintValue(
  element: HTMLElement,
  value: number,
  { limit, strength, signs, paper }: Tinting,
): void {
  const mark = wanted(value, signs) ? tint(value, limit, strength) : null;
  setStyle(element, "background-color", mark ? css(mark) : "");
  const text = mark && inkOn(over(mark, paper.ground), paper.ink);
  setStyle(element, "color", text ? `rgb(${text.join(", ")})` : "");
  setAttributes(element, {
    "data-tinted": mark !== null,
    "data-value": Number.isNaN(value) ? undefined : exact(value),
  });
}
