/** What pointer and keyboard can do with the two sides of a view. */

import type { Grid } from "../values/region";

/** What the pointer and the keyboard do on the caption, in chips. */
export interface CaptionActions {
  /** The line of chips. */
  readonly text: HTMLElement;
  readonly count: number;
  /** The chip that an event's target belongs to, or −1. */
  indexOf(target: EventTarget | null): number;
  /** Tokens of all chips between two. */
  tokensOf(from: number, to: number): number[];
  focus(index: number): void;
  hover(index: number): void;
}

/** What the pointer and the keyboard do on the picture, in patches. */
export interface PictureActions {
  readonly stage: HTMLElement;
  readonly grid: Grid;
  /** Where the keyboard's cursor is; −1 before it was ever used. */
  cursor: number;
  hover(patch: number): void;
}
