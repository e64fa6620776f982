/** The pieces of a word that the model reads as several tokens, shown on demand. */

import { signed } from "../values/format";
import { gestureOf, toggle } from "../values/gestures";
import type { Chip } from "../values/words";
import { paintValue, type Tinting } from "./chip";
import type { Context } from "./context";
import { h, setAttributes, setText } from "./dom";
import { type Look, NOTHING } from "./look";

export interface Pieces {
  readonly element: HTMLElement;
  /** Show the pieces of this chip while words are looked at, if it has any. */
  open(index: number): void;
  paint(look: Look, tinting: Tinting): void;
}

export function createPieces(context: Context): Pieces {
  const { store, state, signal } = context;
  const element = h("div", { class: "fpattr-pieces", hidden: true, role: "group" });
  let opened: Chip | undefined;
  let shown: Chip | undefined;

  const show = (event: Event) => {
    const token = pieceOf(event.target);
    if (token !== null) context.update({ hover: { ...NOTHING, tokens: [token] }, place: null });
  };
  element.addEventListener("pointerover", show, { signal });
  element.addEventListener("focusin", show, { signal });
  element.addEventListener(
    "click",
    (event) => {
      const token = pieceOf(event.target);
      if (token === null) return;
      const { tokens } = context.pinned();
      context.pin({ tokens: toggle(tokens, [token], gestureOf(event, state.gesture)) });
    },
    { signal },
  );

  return {
    element,
    open(index) {
      const chip = store.subject.sentence.chips[index];
      if (chip && isSplit(chip)) opened = chip;
    },
    paint(look, tinting) {
      const { chips } = store.subject.sentence;
      const split = chips.filter(isSplit);
      // Room is kept where some word has pieces, so that nothing moves when they appear.
      setAttributes(element, { hidden: split.length === 0 });
      const held = split.find(({ tokens }) =>
        tokens.some((token) => look.pinned.tokens.includes(token)),
      );
      const kept = opened && split.includes(opened) ? opened : undefined;
      const next = look.focus.tokens.length === 0 ? undefined : (held ?? kept);
      if (next !== shown) draw(next);
      for (const piece of element.querySelectorAll<HTMLElement>(".fpattr-piece")) {
        const token = Number(piece.dataset.tokens);
        const value = look.values[token] ?? Number.NaN;
        paintValue(piece, value, tinting);
        const alone = look.focus.tokens.length === 1 && look.focus.tokens[0] === token;
        setAttributes(piece, { "data-chosen": alone, "aria-pressed": String(alone) });
        setText(piece.lastElementChild as Element, signed(value));
      }
    },
  };

  function draw(chip: Chip | undefined): void {
    shown = chip;
    element.replaceChildren();
    setAttributes(element, { "aria-label": chip ? `Pieces of ${chip.text}` : undefined });
    if (!chip) return;
    const label = h("span", { class: "fpattr-small", dir: "auto" }, `${chip.text} =`);
    element.append(label, ...chip.tokens.map(pieceElement));
  }

  function pieceElement(token: number): HTMLElement {
    return h(
      "button",
      { class: "fpattr-piece", type: "button", "data-tokens": token },
      h("span", { dir: "auto" }, store.subject.tokens[token]?.text ?? ""),
      h("span", { class: "fpattr-small" }),
    );
  }
}

function isSplit({ kind, tokens }: Chip): boolean {
  return kind === "word" && tokens.length > 1;
}

function pieceOf(target: EventTarget | null): number | null {
  const piece = target instanceof Element ? target.closest<HTMLElement>(".fpattr-piece") : null;
  return piece ? Number(piece.dataset.tokens) : null;
}
