/** What the parts of one view are given, and what they give back. */

import type { Selection } from "../model/selection";
import type { Store } from "../model/store";
import type { Draft, Focus } from "../values/focus";
import { NO_DRAFT } from "../values/focus";
import type { Gesture } from "../values/gestures";
import type { Look, Place } from "../values/look";
import type { Pairs } from "../values/pairs";
import type { Settings } from "../values/settings";
import type { PanelState } from "../values/shapes";
import type { Both, Panel, Side, SideIndex } from "../values/sides";
import type { Standing } from "../values/weights";
import type { Paper } from "./chip";

/** What belongs to one view alone. */
export interface ViewState {
  place: Place | null;
  draft: Draft;
  /** What a drag or a click does that has no key held down: touch screens have none. */
  gesture: Gesture;
  /** Whether the view was ever touched. */
  touched: boolean;
  /** The place that is read which is pointed at: a part of the pairs. */
  preview: string | null;
}

export const AT_FIRST: ViewState = {
  place: null,
  draft: NO_DRAFT,
  gesture: "replace",
  touched: false,
  preview: null,
};

export interface Context {
  readonly store: Store;
  readonly selection: Selection;
  readonly state: Readonly<ViewState>;
  /** What is explained, as panels. */
  readonly sides: Both<Side>;
  /** The part of the pairs that is shown, as of the last paint; empty for the pairs themselves. */
  readonly part: string;
  /** Its pairs. */
  readonly pairs: Pairs;
  /** The view's outermost element. */
  readonly root: HTMLElement;
  /** What chips stand on, as of the last paint. */
  readonly paper: Paper;
  /** Ends when the view is taken down. */
  readonly signal: AbortSignal;
  /** Change this view's own state; it is painted with the next frame. */
  update(change: Partial<ViewState>): void;
  /** Take note of what the pointer, or the keyboard's cursor, is on. */
  point(focus: Focus, place?: Place | null): void;
  /** Take note that the pointer left what it was on, unless it is on something else soon. */
  leave(): void;
  /** Pin on one side, and end any drag. */
  pin(side: SideIndex, features: readonly number[]): void;
  /** Pin on both sides, and end any drag. */
  pinBoth(focus: Focus): void;
  /** Pins as they are now. */
  pinned(): Focus;
}

export interface Part {
  readonly element: HTMLElement;
  paint(look: Look): void;
}

/** The part that shows a panel. */
export interface PanelPart extends Part {
  /** What is drawn on; other parts are put after it. */
  readonly surface: HTMLElement;
  /** Buttons for the row of tools. */
  readonly tools: readonly HTMLElement[];
}

/** A panel that a part shows; another of its kind may take its place. */
export interface Shown<P extends Panel = Panel> {
  readonly now: P;
}

/** Where a panel stands among all. */
export interface Among {
  readonly side: SideIndex;
  /** Number of its first feature on its side. */
  readonly first: number;
  readonly standing: Standing;
  /** Whether another panel of its kind has something of this name too. */
  isShared(name: string): boolean;
}

/** All that a view has to know of a kind of panel. */
export interface PanelKind<S extends PanelState, P extends Panel = Panel> {
  /** What one panel is called: `caption`. */
  readonly noun: string;
  /** What it shows, by the names that other panels may have too. */
  names(state: S, settings: Settings): readonly string[];
  read(state: S, among: Among, settings: Settings): P;
  create(context: Context, panel: Shown<P>): PanelPart;
}
