/** The kinds of panels: each is a file of its own and a line here. */

import type { Settings } from "../values/settings";
import type { AnyPanel, FoldState, SentenceState } from "../values/shapes";
import {
  type Both,
  both,
  type Panel,
  type Side,
  type SideIndex,
  type SumPart,
  sideOf,
} from "../values/sides";
import { ALONE, standingsOf, titleOf } from "../values/weights";
import type { Context, PanelKind, PanelPart, Shown } from "./context";
import { PICTURE } from "./picture";
import { readFolded, SENTENCE } from "./sentence";

const KINDS = {
  sentence: SENTENCE,
  picture: PICTURE,
} satisfies Record<AnyPanel["kind"], unknown>;

/** Read the panels of both sides; those of a side number their features one after the other. */
export function readSides(
  states: Both<readonly AnyPanel[]>,
  folds: Both<readonly FoldState[]>,
  settings: Settings,
): Both<Side> {
  const standings = standingsOf(states);
  const names = countNames(states.flat(), settings);
  const read = (side: SideIndex): Side => {
    const parts = states[side].map(({ kind, weight }, index): SumPart => {
      const standing = standings[side]?.[index] ?? ALONE;
      return { title: titleOf(KINDS[kind].noun, standing), weight };
    });
    const foldable = folds[side].length > 0 && states[side].every(isSentence);
    if (foldable && settings.fold) {
      const sentences = states[side] as readonly SentenceState[];
      return sideOf([readFolded(sentences, folds[side], side)], parts, "folded");
    }
    let first = 0;
    const panels = states[side].map((state, index) => {
      const standing = standings[side]?.[index] ?? ALONE;
      const isShared = (name: string) => (names.get(`${state.kind} ${name}`) ?? 0) > 1;
      const panel = kindOf(state).read(state, { side, first, standing, isShared }, settings);
      first += state.features;
      return panel;
    });
    return sideOf(panels, parts, foldable ? "possible" : null);
  };
  return both(read);
}

function isSentence({ kind }: AnyPanel): boolean {
  return kind === "sentence";
}

/** How many panels of a kind have something of a name, by kind and name. */
function countNames(states: readonly AnyPanel[], settings: Settings): Map<string, number> {
  const counts = new Map<string, number>();
  for (const state of states) {
    for (const name of new Set(kindOf(state).names(state, settings))) {
      const key = `${state.kind} ${name}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return counts;
}

/** Create the part that shows a panel. */
export function createPanel(context: Context, shown: Shown): PanelPart {
  return kindOf(shown.now.state as AnyPanel).create(context, shown);
}

/** A kind takes panels of this kind alone, which types cannot follow through the table. */
function kindOf({ kind }: AnyPanel): PanelKind<AnyPanel, Panel> {
  return KINDS[kind] as unknown as PanelKind<AnyPanel, Panel>;
}
