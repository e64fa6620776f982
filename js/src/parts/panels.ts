/** The kinds of panels: each is a file of its own and a line here. */

import type { Settings } from "../values/settings";
import type { AnyPanel } from "../values/shapes";
import { type Panel, type Side, type SideIndex, sideOf } from "../values/sides";
import type { Context, PanelKind, PanelPart, Shown } from "./context";
import { PICTURE } from "./picture";
import { SENTENCE } from "./sentence";

const KINDS = {
  sentence: SENTENCE,
  picture: PICTURE,
} satisfies Record<AnyPanel["kind"], unknown>;

/** Read the panels of a side, which number their features one after the other. */
export function readSide(states: readonly AnyPanel[], side: SideIndex, settings: Settings): Side {
  let first = 0;
  const panels = states.map((state) => {
    const panel = kindOf(state).read(state, side, first, settings);
    first += state.features;
    return panel;
  });
  return sideOf(panels);
}

/** Create the part that shows a panel. */
export function createPanel(context: Context, shown: Shown): PanelPart {
  return kindOf(shown.now.state as AnyPanel).create(context, shown);
}

/** A kind takes panels of this kind alone, which types cannot follow through the table. */
function kindOf({ kind }: AnyPanel): PanelKind<AnyPanel, Panel> {
  return KINDS[kind] as unknown as PanelKind<AnyPanel, Panel>;
}
