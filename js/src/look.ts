/** What is being looked at, and the values that this shows. */

import { largest, total } from "./pairs";
import type { Store } from "./store";

/** A choice on both sides; an empty list means that side was not chosen. */
export interface Focus {
  tokens: readonly number[];
  patches: readonly number[];
  /** Image features that are no patches (CLS), by their index. */
  specials: readonly number[];
}

export const NOTHING: Focus = { tokens: [], patches: [], specials: [] };

export type Scale = "shared" | "own";

/** What belongs to one view alone. */
export interface ViewState {
  hover: Focus;
  /** What a drag that goes on would pin. */
  draft: Partial<Pick<Focus, "tokens" | "patches">>;
  pinnedSpecials: readonly number[];
  scale: Scale;
  colour: boolean;
}

export interface Look {
  focus: Focus;
  pinned: Focus;
  /** Values of the heat map `(patches,)`; null where none is shown or its rows are missing. */
  map: Float64Array | null;
  mapLimit: number;
  /** Whether chips show the chosen image features; else they show the whole picture. */
  column: boolean;
  /** Value of each chip; NaN where rows are missing. */
  chips: Float64Array;
  chipLimit: number;
  /** Value of each token, as for chips. */
  values: Float64Array;
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
  const { pairs, subject } = store;

  if (focus.tokens.length > 0) store.want(focus.tokens);
  const map = pairs.map(focus.tokens);
  const own = map ? largest(map) : 0;
  const mapLimit = map && state.scale === "own" ? own : Math.max(pairs.limit(), own);

  const column = focus.patches.length + focus.specials.length > 0;
  let values: Float64Array;
  if (!column) values = pairs.rowSums();
  else if (focus.specials.length > 0) values = pairs.column(focus.patches, focus.specials);
  else values = store.region(focus.patches);
  const { chips } = subject.sentence;
  const sums = Float64Array.from(chips, (chip) => total(chip.tokens.map((i) => values[i] ?? NaN)));
  const spoken = sums.filter((_, i) => chips[i]?.kind !== "special");
  const chipLimit = largest(spoken) || largest(sums);
  return { focus, pinned, map, mapLimit, column, chips: sums, chipLimit, values };
}

/** For `data-shown`: `tokens:2,3`, `patches:17`, both, or nothing. */
export function shownAs({ tokens, patches, specials }: Focus): string {
  const parts: string[] = [];
  if (tokens.length > 0) parts.push(`tokens:${tokens.join()}`);
  if (patches.length > 0) parts.push(`patches:${patches.join()}`);
  if (specials.length > 0) parts.push(`specials:${specials.join()}`);
  return parts.join(" ");
}
