/** The caption: a sentence of chips to hover, drag over and walk through by keyboard. */

import { css, inkOn, over, type Rgb, tint } from "./colour";
import type { Context, Part } from "./context";
import { h, setAttributes, setStyle, setText } from "./dom";
import { exact, signed } from "./format";
import { type Look, NOTHING } from "./look";
import { combine, gestureOf, toggle } from "./sets";
import type { Chip } from "./words";

const IDLE = 0.45; // how strong the tints are while no part of the picture is chosen

export interface Paper {
  ground: Rgb;
  ink: Rgb;
}

/** Show a value as the background of a chip, with text that can be read on it. */
export function paintValue(
  element: HTMLElement,
  value: number,
  limit: number,
  strength: number,
  { ground, ink }: Paper,
): void {
  const mark = tint(value, limit, strength);
  setStyle(element, "background-color", mark ? css(mark) : "");
  const text = mark ? inkOn(over(mark, ground), ink) : ink;
  setStyle(element, "color", text === ink ? "" : `rgb(${text.join(", ")})`);
  setAttributes(element, { "data-value": Number.isNaN(value) ? undefined : exact(value) });
}

export function createCaption(context: Context, paper: () => Paper): Part {
  const { store, signal } = context;
  const { chips, after } = store.subject.sentence;
  const spans = chips.map((chip, i) => chipElement(chip, i === 0));
  const text = h("p", {
    class: "fpattr-caption",
    dir: "auto",
    role: "listbox",
    "aria-multiselectable": "true",
    "aria-orientation": "horizontal",
    "aria-label": "Caption",
  });
  chips.forEach((chip, i) => {
    text.append(chip.before, spans[i] as HTMLElement);
  });
  text.append(after);

  const split = chips.some((chip) => chip.kind === "word" && chip.tokens.length > 1);
  const pieces = h("div", { class: "fpattr-pieces", hidden: !split, role: "group" });
  const element = h("section", { class: "fpattr-text" }, text, pieces);
  /** The chip whose pieces are on show. */
  let opened = -1;

  const indexOf = (target: EventTarget | null): number => {
    const span = target instanceof Element ? target.closest(".fpattr-token") : null;
    return span ? spans.indexOf(span as HTMLSpanElement) : -1;
  };
  const tokensOf = (from: number, to: number) =>
    chips.slice(Math.min(from, to), Math.max(from, to) + 1).flatMap((chip) => chip.tokens);
  const hover = (tokens: readonly number[]) =>
    context.update({ hover: { ...NOTHING, tokens: [...tokens] } });
  const open = (index: number) => {
    if ((chips[index]?.tokens.length ?? 0) > 1 && chips[index]?.kind === "word") opened = index;
  };

  pointer();
  keyboard();
  return { element, paint };

  function pointer(): void {
    let start = -1;
    let last = -1;
    let moved = false;
    let id = -1;
    const at = (event: PointerEvent) => {
      const scope = text.getRootNode() as Document | ShadowRoot;
      return indexOf(scope.elementFromPoint?.(event.clientX, event.clientY) ?? event.target);
    };
    const end = () => {
      start = -1;
      id = -1;
      delete element.dataset.dragging;
    };
    text.addEventListener(
      "pointerdown",
      (event) => {
        if (event.button !== 0 || id !== -1) return;
        start = last = indexOf(event.target);
        moved = false;
        if (start < 0) return;
        id = event.pointerId;
        text.setPointerCapture?.(id);
        spans[start]?.focus({ preventScroll: true });
      },
      { signal },
    );
    text.addEventListener(
      "pointermove",
      (event) => {
        if (start < 0) {
          const index = indexOf(event.target);
          if (index >= 0 && event.pointerType !== "touch") {
            open(index);
            hover(chips[index]?.tokens ?? []);
          } else if (index < 0) hover([]);
          return;
        }
        if (event.pointerId !== id) return;
        const index = at(event);
        if (index < 0 || index === last) return;
        last = index;
        moved = true;
        element.dataset.dragging = "";
        const { tokens } = context.pinned();
        context.update({
          draft: { tokens: combine(tokens, tokensOf(start, last), gestureOf(event)) },
        });
      },
      { signal },
    );
    text.addEventListener(
      "pointerup",
      (event) => {
        if (event.pointerId !== id) return;
        const touched = tokensOf(start, last);
        const { tokens } = context.pinned();
        const change = moved ? combine : toggle;
        if (!moved) open(start);
        end();
        context.pin({ tokens: change(tokens, touched, gestureOf(event)) });
      },
      { signal },
    );
    text.addEventListener(
      "pointercancel",
      (event) => {
        if (event.pointerId !== id) return;
        end();
        context.update({ draft: {} });
      },
      { signal },
    );
    element.addEventListener("pointerleave", () => start < 0 && hover([]), { signal });
    pieces.addEventListener(
      "pointerover",
      (event) => {
        const token = pieceOf(event.target);
        if (token !== null) hover([token]);
      },
      { signal },
    );
    pieces.addEventListener(
      "click",
      (event) => {
        const token = pieceOf(event.target);
        if (token === null) return;
        const { tokens } = context.pinned();
        context.pin({ tokens: toggle(tokens, [token], gestureOf(event)) });
      },
      { signal },
    );
  }

  function keyboard(): void {
    let anchor = -1;
    const focus = (index: number) => {
      const span = spans[Math.min(Math.max(index, 0), spans.length - 1)];
      span?.focus();
    };
    text.addEventListener(
      "focusin",
      (event) => {
        const index = indexOf(event.target);
        if (index < 0) return;
        spans.forEach((span, i) => {
          setAttributes(span, { tabindex: i === index ? 0 : -1 });
        });
        open(index);
        hover(chips[index]?.tokens ?? []);
      },
      { signal },
    );
    pieces.addEventListener(
      "focusin",
      (event) => {
        const token = pieceOf(event.target);
        if (token !== null) hover([token]);
      },
      { signal },
    );
    element.addEventListener(
      "focusout",
      (event) => {
        if (!element.contains(event.relatedTarget as Node | null)) hover([]);
      },
      { signal },
    );
    text.addEventListener(
      "keydown",
      (event) => {
        const index = indexOf(event.target);
        if (index < 0) return;
        const forward = getComputedStyle(text).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
        const backward = forward === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";
        const steps: Record<string, number> = { [forward]: 1, [backward]: -1 };
        steps.Home = -index;
        steps.End = chips.length - 1 - index;
        const step = steps[event.key];
        if (step !== undefined) {
          const next = Math.min(Math.max(index + step, 0), chips.length - 1);
          if (event.shiftKey) {
            if (anchor < 0) anchor = index;
            context.pin({ tokens: tokensOf(anchor, next) });
          } else anchor = -1;
          focus(next);
        } else if (event.key === "Enter" || event.key === " ") {
          anchor = -1;
          const { tokens } = context.pinned();
          context.pin({ tokens: toggle(tokens, chips[index]?.tokens ?? [], gestureOf(event)) });
        } else return;
        event.preventDefault();
        event.stopPropagation();
      },
      { signal },
    );
  }

  function paint(look: Look): void {
    const sheet = paper();
    const strength = look.column ? 1 : IDLE;
    const chosen = new Set(look.focus.tokens);
    const pinned = new Set(look.pinned.tokens);
    chips.forEach((chip, i) => {
      const span = spans[i] as HTMLElement;
      const value = look.chips[i] ?? Number.NaN;
      paintValue(span, value, look.chipLimit, strength, sheet);
      const held = chip.tokens.filter((token) => chosen.has(token)).length;
      const pins = chip.tokens.filter((token) => pinned.has(token)).length;
      setAttributes(span, {
        "data-missing": Number.isNaN(value),
        "data-chosen": held === 0 ? undefined : held < chip.tokens.length ? "part" : "whole",
        "data-pinned": pins > 0,
        "aria-selected": String(pins > 0),
        "aria-label": `${chip.text}, ${Number.isNaN(value) ? "not computed" : signed(value)}`,
      });
    });
    paintPieces(look, sheet, strength);
  }

  function paintPieces(look: Look, sheet: Paper, strength: number): void {
    if (!split) return;
    const held = chips.findIndex(
      (chip) =>
        chip.kind === "word" &&
        chip.tokens.length > 1 &&
        chip.tokens.some((token) => look.pinned.tokens.includes(token)),
    );
    const shown = look.focus.tokens.length === 0 ? -1 : held >= 0 ? held : opened;
    if (pieces.dataset.chip !== String(shown)) {
      pieces.dataset.chip = String(shown);
      const chip = chips[shown];
      pieces.replaceChildren();
      setAttributes(pieces, { "aria-label": chip ? `Pieces of ${chip.text}` : undefined });
      if (chip) {
        const label = h("span", { class: "fpattr-small", dir: "auto" }, `${chip.text} =`);
        pieces.append(label, ...chip.tokens.map((token) => pieceElement(token)));
      }
    }
    for (const piece of pieces.querySelectorAll<HTMLElement>(".fpattr-piece")) {
      const token = Number(piece.dataset.tokens);
      const value = look.values[token] ?? Number.NaN;
      paintValue(piece, value, look.chipLimit, strength, sheet);
      const alone = look.focus.tokens.length === 1 && look.focus.tokens[0] === token;
      setAttributes(piece, { "data-chosen": alone, "aria-pressed": String(alone) });
      setText(piece.lastElementChild as Element, signed(value));
    }
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

function pieceOf(target: EventTarget | null): number | null {
  const piece = target instanceof Element ? target.closest<HTMLElement>(".fpattr-piece") : null;
  return piece ? Number(piece.dataset.tokens) : null;
}

function chipElement(chip: Chip, first: boolean): HTMLSpanElement {
  return h(
    "span",
    {
      class: "fpattr-token",
      role: "option",
      tabindex: first ? 0 : -1,
      "data-kind": chip.kind,
      "data-tokens": chip.tokens.join(),
      "data-split": chip.kind === "word" && chip.tokens.length > 1,
      // An explicit direction keeps the name of a special token out of the sentence's own.
      dir: chip.kind === "special" ? "ltr" : undefined,
    },
    chip.text,
  );
}
