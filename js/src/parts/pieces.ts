/** The pieces of a word that the model reads as several tokens, shown on demand. */

import { on } from "../values/focus";
import { signed } from "../values/format";
import { gestureOf, toggle } from "../values/gestures";
import type { Look } from "../values/look";
import type { SentenceState } from "../values/shapes";
import type { Group, Panel, SideIndex } from "../values/sides";
import { paintValue, type Tinting } from "./chip";
import type { Context } from "./context";
import { h, setAttributes, setText } from "./dom";

/** A panel whose words can be divided. */
type Divided = Panel & { readonly state: SentenceState };

export interface Pieces {
  readonly element: HTMLElement;
  /** Show the pieces of this group while it is looked at, if it has any. */
  open(group: Group): void;
  paint(panel: Divided, look: Look, tinting: Tinting): void;
}

export function createPieces(context: Context, side: SideIndex): Pieces {
  const { state, signal } = context;
  const element = h("div", { class: "fpattr-pieces", hidden: true, role: "group" });
  let opened: Group | undefined;
  let shown: Group | undefined;

  const show = (event: Event) => {
    const feature = pieceOf(event.target);
    if (feature !== null) context.point(on(side, [feature]), null);
  };
  element.addEventListener("pointerover", show, { signal });
  element.addEventListener("focusin", show, { signal });
  element.addEventListener(
    "click",
    (event) => {
      const feature = pieceOf(event.target);
      if (feature === null) return;
      const gesture = gestureOf(event, state.gesture);
      context.pin(side, toggle(context.pinned()[side], [feature], gesture));
    },
    { signal },
  );

  return {
    element,
    open(group) {
      if (inPieces(group)) opened = group;
    },
    paint(panel, look, tinting) {
      const divided = panel.groups.filter(inPieces);
      const { chosen, pinned, values } = look.sides[side];
      // Room is kept where some word has pieces, so that nothing moves when they appear.
      setAttributes(element, { hidden: divided.length === 0 });
      const held = divided.find(({ features }) =>
        features.some((feature) => pinned.includes(feature)),
      );
      const kept = opened && divided.includes(opened) ? opened : undefined;
      const next = chosen.length === 0 ? undefined : (held ?? kept);
      if (next !== shown) draw(panel, next);
      for (const piece of element.querySelectorAll<HTMLElement>(".fpattr-piece")) {
        const feature = Number(piece.dataset.tokens);
        const value = values[feature] ?? Number.NaN;
        paintValue(piece, value, tinting);
        const alone = chosen.length === 1 && chosen[0] === feature;
        setAttributes(piece, { "data-chosen": alone, "aria-pressed": String(alone) });
        setText(piece.lastElementChild as Element, signed(value));
      }
    },
  };

  function draw(panel: Divided, group: Group | undefined): void {
    shown = group;
    element.replaceChildren();
    setAttributes(element, { "aria-label": group ? `Pieces of ${group.name}` : undefined });
    if (!group) return;
    const label = h("span", { class: "fpattr-small", dir: "auto" }, `${group.name} =`);
    element.append(label, ...group.features.map((feature) => pieceElement(panel, feature)));
  }

  function pieceElement({ state, first }: Divided, feature: number): HTMLElement {
    return h(
      "button",
      { class: "fpattr-piece", type: "button", "data-tokens": feature },
      h("span", { dir: "auto" }, state.tokens[feature - first]?.text ?? ""),
      h("span", { class: "fpattr-small" }),
    );
  }
}

function inPieces({ special, listed, features }: Group): boolean {
  return !special && listed && features.length > 1;
}

function pieceOf(target: EventTarget | null): number | null {
  const piece = target instanceof Element ? target.closest<HTMLElement>(".fpattr-piece") : null;
  return piece ? Number(piece.dataset.tokens) : null;
}
