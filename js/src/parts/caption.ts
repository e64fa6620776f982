/** The caption: a sentence of chips to hover, drag over and walk through by keyboard. */

import { brief, readOut } from "../values/format";
import { type Chip, neverSeen, type Sentence } from "../values/words";
import type { CaptionActions } from "./actions";
import { captionKeyboard } from "./caption_keyboard";
import { captionPointer } from "./caption_pointer";
import { paintValue, spoken } from "./chip";
import type { Context, Part } from "./context";
import { h, setAttributes, setText } from "./dom";
import { type Look, NOTHING } from "./look";
import { createPieces } from "./pieces";

export function createCaption(context: Context): Part {
  const { store, signal } = context;
  const text = h("p", {
    class: "fpattr-caption",
    dir: "auto",
    role: "listbox",
    "aria-multiselectable": "true",
    "aria-orientation": "horizontal",
    "aria-label": "Caption",
  });
  const pieces = createPieces(context);
  const note = h("p", { class: "fpattr-note fpattr-small", hidden: true });
  const element = h("section", { class: "fpattr-text" }, text, pieces.element, note);
  let drawn: Sentence | undefined;
  let chips: readonly Chip[] = [];
  let spans: HTMLSpanElement[] = [];

  const actions: CaptionActions = {
    text,
    get count() {
      return chips.length;
    },
    indexOf(target) {
      const span = target instanceof Element ? target.closest(".fpattr-token") : null;
      return span ? spans.indexOf(span as HTMLSpanElement) : -1;
    },
    tokensOf(from, to) {
      const [first, last] = [Math.min(from, to), Math.max(from, to)];
      return chips.slice(first, last + 1).flatMap((chip) => chip.tokens);
    },
    focus(index) {
      spans[index]?.focus({ preventScroll: true });
    },
    hover(index) {
      const chip = chips[index];
      if (chip) pieces.open(index);
      const hover = { ...NOTHING, tokens: chip?.tokens ?? [] };
      context.update({ hover, place: chip ? { chip: index } : null });
    },
  };
  captionPointer(context, actions, element);
  captionKeyboard(context, actions);
  text.addEventListener(
    "focusin",
    (event) => {
      const index = actions.indexOf(event.target);
      if (index < 0) return;
      tabStop(index);
      actions.hover(index);
    },
    { signal },
  );
  element.addEventListener(
    "focusout",
    (event) => {
      if (!element.contains(event.relatedTarget as Node | null)) actions.hover(-1);
    },
    { signal },
  );
  return { element, paint };

  function tabStop(index: number): void {
    spans.forEach((span, i) => {
      setAttributes(span, { tabindex: i === index ? 0 : -1 });
    });
  }

  /** Beyond the middle the value at the pointer grows backwards, so that it stays inside. */
  function pastMiddle(span: HTMLElement): boolean {
    const middle = span.offsetLeft + span.offsetWidth / 2;
    const past = middle > text.offsetLeft + text.offsetWidth / 2;
    return past !== (getComputedStyle(text).direction === "rtl");
  }

  function draw(sentence: Sentence): void {
    drawn = sentence;
    chips = sentence.chips;
    spans = chips.map(chipElement);
    text.replaceChildren();
    chips.forEach((chip, i) => {
      text.append(chip.before, spans[i] as HTMLElement);
    });
    text.append(sentence.after);
    const unseen = neverSeen(sentence);
    setText(note, unseen);
    setAttributes(note, { hidden: unseen === "" });
    tabStop(0);
  }

  function paint(look: Look): void {
    const { sentence } = store.subject;
    if (drawn !== sentence) draw(sentence);
    const { signs } = store.settings;
    const tinting = { limit: look.chipLimit, signs, paper: context.paper };
    const chosen = new Set(look.focus.tokens);
    const pinned = new Set(look.pinned.tokens);
    const { place } = context.state;
    const pointed = place && "chip" in place ? place.chip : -1;
    chips.forEach((chip, i) => {
      const span = spans[i] as HTMLElement;
      const value = look.chips[i] ?? Number.NaN;
      paintValue(span, value, tinting);
      const held = chip.tokens.filter((token) => chosen.has(token)).length;
      const pins = chip.tokens.filter((token) => pinned.has(token)).length;
      const unseen = chip.unknown ? ", never seen by the model" : "";
      const said = Number.isNaN(value) ? "not computed" : spoken(value, tinting);
      setAttributes(span, {
        "data-number": chip.kind === "special" ? brief(value) : undefined,
        "data-room": chip.kind === "special" && !store.pairs.isNothing(chip.tokens),
        "data-missing": Number.isNaN(value),
        "data-chosen": held === 0 ? undefined : held < chip.tokens.length ? "part" : "whole",
        "data-pinned": pins > 0,
        "data-end": i === pointed && pastMiddle(span),
        "data-readout": i === pointed ? readOut(value) : undefined,
        "aria-selected": String(pins > 0),
        "aria-label": `${chip.text}${unseen}, ${said}`,
      });
    });
    pieces.paint(look, tinting);
  }
}

function chipElement(chip: Chip): HTMLSpanElement {
  return h(
    "span",
    {
      class: "fpattr-token",
      role: "option",
      "data-kind": chip.kind,
      "data-tokens": chip.tokens.join(),
      "data-unknown": chip.unknown,
      title: chip.unknown ? "The model has never seen this word" : undefined,
      "data-split": chip.kind === "word" && chip.tokens.length > 1,
      // An explicit direction keeps the name of a special token out of the sentence's own.
      dir: chip.kind === "special" ? "ltr" : undefined,
    },
    chip.text,
  );
}
