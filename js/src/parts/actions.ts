/** What pointer and keyboard can do with panels. */

import type { combine, Gesture } from "../values/gestures";
import type { Grid } from "../values/region";
import type { SideIndex } from "../values/sides";

/** What the pointer and the keyboard do on a line of chips. */
export interface ChipActions {
  readonly side: SideIndex;
  /** The line of chips. */
  readonly text: HTMLElement;
  readonly count: number;
  /** The chip that an event's target belongs to, or −1. */
  indexOf(target: EventTarget | null): number;
  /** Features of all chips between two. */
  featuresOf(from: number, to: number): number[];
  focus(index: number): void;
  hover(index: number): void;
}

/** What the pointer and the keyboard do on a grid of cells. */
export interface GridActions {
  readonly side: SideIndex;
  readonly stage: HTMLElement;
  readonly grid: Grid;
  /** Where the keyboard's cursor is; −1 before it was ever used. */
  cursor: number;
  hover(cell: number): void;
  /** Features of the side that cells are. */
  featuresOf(cells: readonly number[]): number[];
  /** What is pinned on the side after a gesture over cells; other panels' pins stay beside it. */
  pin(change: typeof combine, cells: readonly number[], gesture: Gesture): number[];
}
