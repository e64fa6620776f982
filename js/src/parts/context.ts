/** What the parts of one view are given, and what they give back. */

import type { Store } from "../model/store";
import type { Paper } from "./chip";
import type { Focus, Look, ViewState } from "./look";

export interface Context {
  readonly store: Store;
  readonly state: Readonly<ViewState>;
  /** What chips stand on, as of the last paint. */
  readonly paper: Paper;
  /** Ends when the view is taken down. */
  readonly signal: AbortSignal;
  /** Change this view's own state; it is painted with the next frame. */
  update(change: Partial<ViewState>): void;
  /** Pin on the sides that are given, and end any drag. */
  pin(focus: Partial<Focus>): void;
  /** Pins as they are now. */
  pinned(): Focus;
}

export interface Part {
  readonly element: HTMLElement;
  paint(look: Look): void;
}
