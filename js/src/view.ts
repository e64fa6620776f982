/** One view of a store: builds the parts, keeps what is this view's own, paints once per frame. */

import { createCaption, type Paper } from "./caption";
import { parseRgb, type Rgb } from "./colour";
import type { Context, Part } from "./context";
import { h, setAttributes } from "./dom";
import { createHeader } from "./ledger";
import { createLegend } from "./legend";
import { createList } from "./list";
import { type Focus, look, NOTHING, shownAs, type ViewState } from "./look";
import { createPicture } from "./picture";
import { createFailure, createLine, createProgress } from "./status";
import type { Store } from "./store";
import { prefersDark, resolveTheme, watchTheme } from "./theme";

const PAPERS: Record<"light" | "dark", { ground: Rgb; ink: Rgb }> = {
  light: { ground: [255, 255, 255], ink: [22, 25, 29] },
  dark: { ground: [21, 24, 28], ink: [232, 234, 237] },
};

/** Show a store in `el` until `signal` ends. */
export function mount(store: Store, el: HTMLElement, signal: AbortSignal): void {
  // JupyterLab's shortcuts would take the arrow keys and Enter.
  const root = h("div", { class: "fpattr", "data-lm-suppress-shortcuts": "true" });
  const state: ViewState = {
    hover: NOTHING,
    draft: {},
    pinnedSpecials: [],
    scale: "shared",
    colour: false,
  };
  let parts: Part[] = [];
  let building = new AbortController();
  let frame = 0;
  let paper: Paper = PAPERS.light;

  store.subscribe((change) => {
    if (change === "subject") build();
    invalidate();
  }, signal);
  watchTheme(invalidate, signal);
  root.addEventListener("keydown", clearOnEscape, { signal });
  signal.addEventListener(
    "abort",
    () => {
      building.abort();
      cancelAnimationFrame(frame);
      root.remove();
    },
    { once: true },
  );
  el.append(root);
  build();
  paint();

  function build(): void {
    building.abort();
    building = new AbortController();
    Object.assign(state, { hover: NOTHING, draft: {}, pinnedSpecials: [] });
    const context: Context = { store, state, signal: building.signal, update, pin, pinned };
    const header = createHeader(context);
    const progress = createProgress(context);
    const failure = createFailure(context);
    const caption = createCaption(context, () => paper);
    const picture = createPicture(context);
    const legend = createLegend(context, () => paper);
    const list = createList(context);
    const line = createLine(context);
    parts = [header, progress, failure, caption, picture, legend, list, line];
    picture.element.append(legend.element);
    root.replaceChildren(
      h(
        "div",
        { class: "fpattr-card" },
        header.element,
        progress.element,
        failure.element,
        h("div", { class: "fpattr-body" }, caption.element, picture.element, list.element),
        line.element,
      ),
    );
  }

  function update(change: Partial<ViewState>): void {
    Object.assign(state, change);
    invalidate();
  }

  function pinned(): Focus {
    return {
      tokens: store.pinnedTokens,
      patches: store.pinnedPatches,
      specials: state.pinnedSpecials,
    };
  }

  function pin(focus: Partial<Focus>): void {
    const { tokens, patches, specials } = { ...pinned(), ...focus };
    update({ pinnedSpecials: specials, draft: {} });
    store.pin(tokens, patches);
  }

  function clearOnEscape(event: KeyboardEvent): void {
    if (event.key !== "Escape") return;
    const { tokens, patches, specials } = pinned();
    const drafts = Object.keys(state.draft).length;
    update({ hover: NOTHING });
    if (tokens.length + patches.length + specials.length + drafts === 0) return;
    pin(NOTHING);
    event.preventDefault();
    event.stopPropagation();
  }

  function invalidate(): void {
    frame ||= requestAnimationFrame(paint);
  }

  function paint(): void {
    cancelAnimationFrame(frame);
    frame = 0;
    const { theme, jupyter } = resolveTheme(store.theme, document.body, prefersDark().matches);
    setAttributes(root, { "data-theme": theme, "data-jupyter": jupyter });
    const { ground, ink } = PAPERS[theme];
    const style = getComputedStyle(root.firstElementChild ?? root);
    paper = { ground: parseRgb(style.backgroundColor, ground), ink: parseRgb(style.color, ink) };
    const seen = look(store, state);
    root.dataset.shown = shownAs(seen.focus);
    for (const part of parts) part.paint(seen);
  }
}
