/** What is being looked at, and the values that this shows. */

import type { Store } from "../model/store";
import type { Gesture } from "../values/gestures";
import { FLOOR, limitOf, patchFloor } from "../values/limits";
import type { LedgerState } from "../values/shapes";
import { largest, total } from "../values/sums";

/** A choice on both sides; an empty list means that side was not chosen. */
export interface Focus {
  tokens: readonly number[];
  patches: readonly number[];
  /** Image features that are no patches (CLS), by their index. */
  specials: readonly number[];
}

export const NOTHING: Focus = { tokens: [], patches: [], specials: [] };

/** Where the pointer, or the keyboard's cursor, stands: on a chip or on a patch. */
export type Place = { chip: number } | { patch: number };

/** What belongs to one view alone. */
export interface ViewState {
  hover: Focus;
  place: Place | null;
  /** What a drag that goes on would pin. */
  draft: Partial<Pick<Focus, "tokens" | "patches">>;
  pinnedSpecials: readonly number[];
  /** What a drag or a click does that has no key held down: touch screens have none. */
  gesture: Gesture;
  /** Whether the view was ever touched. */
  touched: boolean;
  /** The part of the ledger that explains itself. */
  explained: keyof LedgerState | null;
}

export const AT_FIRST: ViewState = {
  hover: NOTHING,
  place: null,
  draft: {},
  pinnedSpecials: [],
  gesture: "replace",
  touched: false,
  explained: null,
};

export interface Look {
  focus: Focus;
  pinned: Focus;
  /** Values of the heat map `(patches,)`; null where none is shown or its rows are missing. */
  map: Float64Array | null;
  mapLimit: number;
  /** Whether chips show the chosen image features; else they show all of them. */
  column: boolean;
  /** What the chosen tokens, or all, have with each image feature that is no patch. */
  specials: Float64Array;
  /** Value of each chip; NaN where rows are missing. */
  chips: Float64Array;
  chipLimit: number;
  /** Value of each token, as for chips. */
  values: Float64Array;
  /** Value where the pointer stands; null where it stands nowhere, NaN where it is missing. */
  atPlace: number | null;
}

/** Per side: a drag comes first, then pins, then the pointer. */
export function focusOf(
  pinned: Focus,
  { hover, draft }: Pick<ViewState, "hover" | "draft">,
): Focus {
  const tokens = draft.tokens ?? (pinned.tokens.length > 0 ? pinned.tokens : hover.tokens);
  if (draft.patches) return { tokens, patches: draft.patches, specials: [] };
  const image = pinned.patches.length + pinned.specials.length > 0 ? pinned : hover;
  return { tokens, patches: image.patches, specials: image.specials };
}

/** Look at the store through one view; asks for rows that this needs and that are not there. */
export function look(store: Store, state: ViewState): Look {
  const pinned: Focus = {
    tokens: store.pinnedTokens,
    patches: store.pinnedPatches,
    specials: state.pinnedSpecials,
  };
  const focus = focusOf(pinned, state);
  const { pairs, subject, settings } = store;

  if (focus.tokens.length > 0) store.want(focus.tokens);
  const map = pairs.map(focus.tokens);
  const own = map ? largest(map) : 0;
  // A map's own scale is asked for to see weak maps, and has no floor; the legend tells its end.
  const mapLimit =
    map && settings.scale === "own"
      ? own
      : limitOf(Math.max(pairs.limit(), own), patchFloor(pairs.patches));

  const column = focus.patches.length + focus.specials.length > 0;
  let values: Float64Array;
  if (!column) values = pairs.rowTotals();
  else if (focus.specials.length > 0) values = pairs.column(focus.patches, focus.specials);
  else values = store.region(focus.patches);
  const { chips } = subject.sentence;
  const sums = Float64Array.from(chips, (chip) => total(chip.tokens.map((i) => values[i] ?? NaN)));
  const spoken = sums.filter((_, i) => chips[i]?.kind !== "special");
  const few = column && focus.specials.length === 0 ? focus.patches.length : Infinity;
  const floor = Math.min(FLOOR, few * patchFloor(pairs.patches));
  const chipLimit = limitOf(largest(spoken) || largest(sums), floor);
  const all = focus.tokens.length > 0 ? focus.tokens : subject.tokens.map((_, token) => token);
  const specials = pairs.specialsOf(all);
  const seen = { focus, pinned, map, mapLimit, column, specials, chips: sums, chipLimit, values };
  return { ...seen, atPlace: valueAt(store, state.place, seen) };
}

/** A chip's value is the one that it shows, a patch's is that of the chosen words. */
function valueAt(
  { pairs }: Store,
  place: Place | null,
  { focus, map, chips }: Pick<Look, "focus" | "map" | "chips">,
): number | null {
  if (!place) return null;
  if ("chip" in place) return chips[place.chip] ?? null;
  if (focus.tokens.length > 0) return map?.[place.patch] ?? Number.NaN;
  return total(pairs.column([place.patch]));
}

/** For `data-shown`: `tokens:2,3`, `patches:17`, both, or nothing. */
export function shownAs({ tokens, patches, specials }: Focus): string {
  const parts: string[] = [];
  if (tokens.length > 0) parts.push(`tokens:${tokens.join()}`);
  if (patches.length > 0) parts.push(`patches:${patches.join()}`);
  if (specials.length > 0) parts.push(`specials:${specials.join()}`);
  return parts.join(" ");
}
