/** One view of a store: builds the parts, keeps what is this view's own, paints once per frame. */

import type { Store } from "./model/store";
import { createCaption } from "./parts/caption";
import type { Paper } from "./parts/chip";
import { createChooser } from "./parts/chooser";
import type { Context, Part } from "./parts/context";
import { createDisplay } from "./parts/display";
import { h, setAttributes } from "./parts/dom";
import { createEditor } from "./parts/editor";
import { createHeader } from "./parts/header";
import { createLegend } from "./parts/legend";
import { createList } from "./parts/list";
import { AT_FIRST, type Focus, look, NOTHING, shownAs, type ViewState } from "./parts/look";
import { createPicture } from "./parts/picture";
import { createPins } from "./parts/pins";
import { createLine, createNews, createProgress, createTrouble } from "./parts/status";
import { prefersDark, resolveTheme, watchTheme } from "./parts/theme";
import { parseRgb, type Rgb } from "./values/colour";

const PAPERS: Record<"light" | "dark", { ground: Rgb; ink: Rgb }> = {
  light: { ground: [255, 255, 255], ink: [22, 25, 29] },
  dark: { ground: [21, 24, 28], ink: [232, 234, 237] },
};

/** Show a store in `el` until `signal` ends. */
export function mount(store: Store, el: HTMLElement, signal: AbortSignal): void {
  // JupyterLab's shortcuts would take the arrow keys and Enter.
  const root = h("div", { class: "fpattr", "data-lm-suppress-shortcuts": "true" });
  const state: ViewState = { ...AT_FIRST };
  let epoch = store.subject.epoch;
  let frame = 0;
  let afterwards = 0;
  let paper: Paper = PAPERS.light;
  const context: Context = {
    store,
    state,
    get paper() {
      return paper;
    },
    signal,
    update,
    pin,
    pinned,
  };
  const list = createList(context);
  const parts = build();

  store.subscribe(invalidate, signal);
  watchTheme(invalidate, signal);
  root.addEventListener("keydown", clearOnEscape, { signal });
  root.addEventListener("pointerdown", noteTouch, { signal, capture: true });
  signal.addEventListener(
    "abort",
    () => {
      cancelAnimationFrame(frame);
      cancelAnimationFrame(afterwards);
      root.remove();
    },
    { once: true },
  );
  el.append(root);
  paint();

  function build(): Part[] {
    const header = createHeader(context);
    const progress = createProgress(context);
    const trouble = createTrouble(context);
    const caption = createCaption(context);
    const [text = caption.element] = caption.element.querySelectorAll<HTMLElement>("p");
    const editor = createEditor(context, text);
    const picture = createPicture(context);
    const [stage = picture.element] = picture.element.querySelectorAll<HTMLElement>("div");
    const chooser = createChooser(context, stage, root);
    const display = createDisplay(context);
    const legend = createLegend(context, chooser.button, display.button);
    const line = createLine(context);
    const news = createNews(context);
    const pins = createPins(context);
    text.after(editor.element);
    picture.element.append(legend.element, display.element, chooser.element);
    root.append(
      h(
        "div",
        { class: "fpattr-card" },
        header.element,
        progress.element,
        trouble.element,
        h("div", { class: "fpattr-body" }, caption.element, picture.element, list.element),
        h("footer", { class: "fpattr-footer" }, line.element, news.element, pins.element),
      ),
    );
    return [
      header,
      progress,
      trouble,
      caption,
      editor,
      picture,
      chooser,
      display,
      legend,
      line,
      news,
      pins,
    ];
  }

  function update(change: Partial<ViewState>): void {
    Object.assign(state, change);
    if (change.hover) store.hover(change.hover.tokens, change.hover.patches);
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
    update({ hover: NOTHING, place: null });
    if (tokens.length + patches.length + specials.length + drafts === 0) return;
    pin(NOTHING);
    event.preventDefault();
    event.stopPropagation();
  }

  function noteTouch(event: PointerEvent): void {
    if (event.pointerType === "touch" && !state.touched) update({ touched: true });
  }

  function invalidate(): void {
    frame ||= requestAnimationFrame(paint);
  }

  function paint(): void {
    cancelAnimationFrame(frame);
    frame = 0;
    if (epoch !== store.subject.epoch) {
      // What was pointed at is something else now; how it is looked at stays.
      epoch = store.subject.epoch;
      const { gesture, touched } = state;
      Object.assign(state, AT_FIRST, { gesture, touched });
    }
    const resolved = resolveTheme(store.settings.theme, document.body, prefersDark().matches);
    setAttributes(root, { "data-theme": resolved.theme, "data-jupyter": resolved.jupyter });
    const { ground, ink } = PAPERS[resolved.theme];
    const style = getComputedStyle(root.firstElementChild ?? root);
    paper = { ground: parseRgb(style.backgroundColor, ground), ink: parseRgb(style.color, ink) };
    const seen = look(store, state);
    root.dataset.shown = shownAs(seen.focus);
    for (const part of parts) part.paint(seen);
    // The list has its room, and costs too much for the frame in which the view is first seen.
    if (afterwards) list.paint(seen);
    else afterwards = requestAnimationFrame(invalidate);
  }
}
