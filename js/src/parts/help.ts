/** A “?” that explains the view: a popover over the card, closed by Escape, with the focus back. */

import { type Entry, help } from "../values/help";
import type { Context } from "./context";
import { h, setAttributes, setStyle } from "./dom";

export interface Help {
  readonly button: HTMLButtonElement;
  readonly element: HTMLElement;
  paint(): void;
}

export function createHelp(context: Context): Help {
  const { store, signal } = context;
  const name = "How to read this view";
  const button = h(
    "button",
    {
      type: "button",
      class: "fpattr-button fpattr-ask",
      "aria-label": name,
      "aria-expanded": "false",
      "aria-haspopup": "dialog",
    },
    "?",
  );
  const close = h("button", { type: "button", class: "fpattr-shut", "aria-label": "Close" }, "×");
  const entries = h("dl", {});
  const element = h(
    "div",
    { class: "fpattr-help", role: "dialog", "aria-label": name, tabindex: -1, hidden: true },
    close,
    entries,
  );
  let drawn: unknown[] = [];

  button.addEventListener("click", () => (element.hidden ? open() : shut()), { signal });
  close.addEventListener("click", shut, { signal });
  element.addEventListener("keydown", closeOnEscape, { signal });
  button.addEventListener("keydown", closeOnEscape, { signal });
  context.root.addEventListener(
    "pointerdown",
    ({ target }) => {
      const inside =
        target instanceof Node && (element.contains(target) || button.contains(target));
      if (!element.hidden && !inside) show(false);
    },
    { signal },
  );
  return { button, element, paint };

  function paint(): void {
    const { about, subject, readOuts } = store;
    const next = [context.sides, about, subject, readOuts];
    if (element.hidden || next.every((value, i) => value === drawn[i])) return;
    drawn = next;
    const read = { parts: subject.parts, any: readOuts.length > 0 };
    entries.replaceChildren(...help(context.sides, about, read).map(entryElement));
  }

  function open(): void {
    show(true);
    element.focus({ preventScroll: true });
  }

  function shut(): void {
    show(false);
    button.focus({ preventScroll: true });
  }

  function show(visible: boolean): void {
    setAttributes(element, { hidden: !visible });
    setAttributes(button, { "aria-expanded": String(visible) });
    paint();
    // The card cuts what leaves it: it grows where the help is longer.
    const card = context.root.firstElementChild as HTMLElement | null;
    if (!card) return;
    const { top } = card.getBoundingClientRect();
    const end = element.getBoundingClientRect().bottom - top;
    setStyle(card, "min-height", visible ? `${Math.ceil(end + 12)}px` : "");
  }

  function closeOnEscape(event: KeyboardEvent): void {
    if (event.key !== "Escape" || element.hidden) return;
    shut();
    event.preventDefault();
    event.stopPropagation();
  }
}

function entryElement({ term, text }: Entry): HTMLElement {
  return h("div", { class: "fpattr-entry" }, h("dt", {}, term), h("dd", {}, text));
}
