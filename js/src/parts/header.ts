/** The similarity, its ledger as a bar whose parts explain themselves, and what made it. */

import type { About } from "../model/protocol";
import { plain } from "../values/format";
import { addsUp, doesNotAddUp, ledgerBar, type Segment } from "../values/ledger";
import type { LedgerState } from "../values/shapes";
import type { Context, Part } from "./context";
import { h, setAttributes, setStyle, setText } from "./dom";

export function createHeader(context: Context): Part {
  const { store, state, signal } = context;
  const number = h("span", { class: "fpattr-number" });
  const score = h(
    "div",
    { class: "fpattr-score" },
    number,
    h("span", { class: "fpattr-small" }, "cosine similarity"),
  );
  const bar = h("div", { class: "fpattr-bar" });
  const entries = h("div", { class: "fpattr-parts" });
  const ledger = h("div", { class: "fpattr-ledger", role: "group" }, bar, entries);
  const about = h("div", { class: "fpattr-about fpattr-small" });
  const element = h("header", { class: "fpattr-header" }, score, ledger, about);
  let described: About | undefined;
  let drawn: LedgerState | null | undefined;
  return { element, paint };

  function paint(): void {
    setText(number, store.similarity === null ? "–" : plain(store.similarity));
    if (described !== store.about) {
      described = store.about;
      about.replaceChildren(...aboutLines(described).map((text) => h("span", {}, text)));
    }
    if (drawn !== store.ledger) {
      drawn = store.ledger;
      draw(drawn);
    }
    setAttributes(ledger, { "data-explained": state.explained ?? undefined });
    for (const part of ledger.querySelectorAll<HTMLElement>("[data-part]")) {
      const faint = state.explained !== null && state.explained !== part.dataset.part;
      setAttributes(part, { "data-faint": faint });
    }
  }

  function draw(now: LedgerState | null): void {
    bar.replaceChildren();
    entries.replaceChildren();
    if (!now) {
      setAttributes(ledger, { "aria-label": "Ledger: not computed yet" });
      return;
    }
    setAttributes(bar, { hidden: !addsUp(now) });
    if (!addsUp(now)) {
      entries.append(doesNotAddUp(now));
      setAttributes(ledger, { "aria-label": "Ledger" });
      return;
    }
    const { segments, zero, sum } = ledgerBar(now);
    const text = segments.map(({ name, value }) => `${name} ${plain(value)}`).join(", ");
    setAttributes(ledger, { "aria-label": `Ledger: ${text}; together ${plain(now.similarity)}` });
    bar.append(...segments.map(barPart));
    entries.append(...segments.map(entry));
    if (zero <= 0) return;
    const mark = h("span", { class: "fpattr-zero", title: "zero" });
    setStyle(mark, "left", `${zero}%`);
    const title = `all parts together: ${plain(now.similarity)}`;
    const end = h("span", { class: "fpattr-sum", title });
    setStyle(end, "left", `${sum}%`);
    bar.append(mark, end);
  }

  function barPart(segment: Segment): HTMLElement {
    const part = h("span", { class: "fpattr-part", ...markOf(segment) });
    setStyle(part, "left", `${segment.left}%`);
    setStyle(part, "width", `${segment.width}%`);
    explainOn(part, segment);
    return part;
  }

  function entry(segment: Segment): HTMLElement {
    const swatch = h("span", { class: "fpattr-swatch", ...markOf(segment) });
    const button = h(
      "button",
      { type: "button", class: "fpattr-entry" },
      swatch,
      `${segment.name} ${plain(segment.value)}`,
    );
    explainOn(button, segment);
    return button;
  }

  function explainOn(target: HTMLElement, { key }: Segment): void {
    const show = () => context.update({ explained: key });
    const hide = () => context.update({ explained: null });
    for (const type of ["pointerenter", "focus", "click"]) {
      target.addEventListener(type, show, { signal });
    }
    for (const type of ["pointerleave", "blur"]) target.addEventListener(type, hide, { signal });
  }
}

function markOf({ key, value }: Segment) {
  return { "data-part": key, "data-sign": value < 0 ? "negative" : "positive" };
}

function aboutLines({ model, method, layers, nodes }: About): string[] {
  return [[model, method], [layers], [nodes]]
    .map((parts) => parts.filter(Boolean).join(" · "))
    .filter(Boolean);
}
