/** One view of a store: builds the parts, keeps what is this view's own, paints once per frame. */

import type { Scale } from "./model/scale";
import type { Selection } from "./model/selection";
import type { Store } from "./model/store";
import type { Paper } from "./parts/chip";
import { AT_FIRST, type Context, type PanelPart, type Part, type ViewState } from "./parts/context";
import { createDisplay } from "./parts/display";
import { h, setAttributes } from "./parts/dom";
import { createHeader } from "./parts/header";
import { createLegend } from "./parts/legend";
import { createList } from "./parts/list";
import { createOverview } from "./parts/overview";
import { createPanel, readSides } from "./parts/panels";
import { createPins } from "./parts/pins";
import { createReadOut } from "./parts/read_out";
import { createLine, createNews, createProgress, createTrouble } from "./parts/status";
import { prefersDark, resolveTheme, watchTheme } from "./parts/theme";
import { PAPERS, parseRgb } from "./values/colour";
import { type Focus, isEmpty, NO_DRAFT, NOTHING, sameFocus, withSide } from "./values/focus";
import { type Block, blocksOf, isLong, layoutOf } from "./values/layout";
import { look } from "./values/look";
import { ALL, isPlace } from "./values/parts";
import { readsOf, wonPatches } from "./values/read_out";
import { type Both, both, SIDES, type Side, type SideIndex, shownOf } from "./values/sides";

const GRACE = 120; // ms for which a map stays while the pointer is between two words
const MANY = 5; // panels of a side above one another: more scroll

/** What views have in common: those that are given the same choose together, and can be compared. */
export interface Shared {
  selection: Selection;
  scale: Scale;
}

/** The parts as they were built for panels of some kinds. */
interface Built {
  readonly kinds: string;
  readonly body: HTMLElement;
  readonly parts: readonly Part[];
  /** They have their room, and cost too much for the frame in which the view is first seen. */
  readonly later: readonly Part[];
  /** Ends them. */
  readonly life: AbortController;
}

/** Show a store in `el` until `signal` ends. */
export function mount(store: Store, shared: Shared, el: HTMLElement, signal: AbortSignal): void {
  const { selection } = shared;
  // JupyterLab's shortcuts would take the arrow keys and Enter.
  const root = h("div", { class: "fpattr", "data-lm-suppress-shortcuts": "true" });
  const coarse = window.matchMedia?.("(pointer: coarse)").matches ?? false;
  const state: ViewState = { ...AT_FIRST, touched: coarse };
  const share = shared.scale.join(invalidate, signal);
  let epoch = store.subject.epoch;
  /** What the panels were read from. */
  let read: unknown[] = [];
  let sides = readAll();
  let frame = 0;
  let afterwards = 0;
  let leaving: ReturnType<typeof setTimeout> | undefined;
  let paper: Paper = PAPERS.light;
  let part = partShown();
  /** Patches that tokens read alone, and what this was worked out from. */
  let won = new Map<number, number[]>();
  let wonOf: unknown[] = [];

  store.bind(selection, signal);
  store.subscribe(invalidate, signal);
  selection.subscribe(invalidate, signal);
  watchTheme(invalidate, signal);
  root.addEventListener("keydown", clearOnEscape, { signal });
  root.addEventListener("pointerdown", noteTouch, { signal, capture: true });
  let built = build();
  signal.addEventListener(
    "abort",
    () => {
      cancelAnimationFrame(frame);
      cancelAnimationFrame(afterwards);
      clearTimeout(leaving);
      built.life.abort();
      root.remove();
    },
    { once: true },
  );
  el.append(root);
  paint();

  function build(): Built {
    const life = new AbortController();
    const context: Context = {
      store,
      selection,
      state,
      get sides() {
        return sides;
      },
      get part() {
        return part;
      },
      get pairs() {
        return store.pairsOf(part);
      },
      root,
      get paper() {
        return paper;
      },
      signal: life.signal,
      update,
      point,
      leave,
      pin,
      pinBoth,
      pinned,
    };
    const header = createHeader(context);
    const readOut = createReadOut(context);
    const progress = createProgress(context);
    const trouble = createTrouble(context);
    const panels = both((side) => createPanels(context, side));
    const display = createDisplay(context);
    const tools = panels.flat().flatMap((panel) => panel.tools);
    const legend = createLegend(context, ...tools, display.button);
    const later = [createOverview(context), createList(context)];
    const line = createLine(context);
    const news = createNews(context);
    const pins = createPins(context);
    const blocks = blocksOf(sides).map((block) => blockElement(block, panels[block.side]));
    // Beside the columns, which a map is on most often.
    const columns = blocks.find(({ dataset }) => dataset.area === "columns");
    columns?.append(legend.element, display.element);
    const body = h(
      "div",
      { class: "fpattr-body", "data-layout": layoutOf(sides) },
      ...blocks,
      ...later.map(({ element }) => element),
    );
    root.replaceChildren(
      h(
        "div",
        { class: "fpattr-card" },
        header.element,
        readOut.element,
        progress.element,
        trouble.element,
        body,
        h("footer", { class: "fpattr-footer" }, line.element, news.element, pins.element),
      ),
    );
    const parts = [
      ...[header, readOut, progress, trouble, ...panels.flat()],
      ...[display, legend, line, news, pins],
    ];
    return { kinds: kindsOf(sides), body, parts, later, life };
  }

  function createPanels(context: Context, side: SideIndex): PanelPart[] {
    return sides[side].panels.map((panel, index) =>
      createPanel(context, {
        get now() {
          return sides[side].panels[index] ?? panel;
        },
      }),
    );
  }

  function blockElement({ area, side, panels }: Block, parts: readonly PanelPart[]): HTMLElement {
    const elements = panels.flatMap((index) => parts[index]?.element ?? []);
    const kinds = new Set(sides[side].panels.map(({ state }) => state.kind));
    return h(
      "div",
      { class: "fpattr-side", "data-area": area },
      h(
        "div",
        {
          class: "fpattr-panels",
          "data-kind": kinds.size === 1 ? [...kinds][0] : "mixed",
          "data-many": elements.length > MANY,
        },
        ...elements,
      ),
    );
  }

  function readAll(): Both<Side> {
    const { subject, settings } = store;
    read = [subject, settings.level, settings.fold];
    return readSides(subject.sides, subject.folds, settings);
  }

  function update(change: Partial<ViewState>): void {
    Object.assign(state, change);
    invalidate();
  }

  function point(focus: Focus, place?: typeof state.place): void {
    clearTimeout(leaving);
    if (place !== undefined) update({ place });
    selection.point(focus);
  }

  function leave(): void {
    clearTimeout(leaving);
    update({ place: null });
    const { hover } = selection;
    leaving = setTimeout(() => {
      if (sameFocus(selection.hover, hover)) selection.point(NOTHING);
    }, GRACE);
  }

  /** What is there of a choice, which may have been made in another view. */
  function within(focus: Focus): Focus {
    const { special } = store.subject;
    return both((side) => focus[side].filter((feature) => feature < special[side].length));
  }

  function pinned(): Focus {
    return within(selection.pins);
  }

  function pin(side: SideIndex, features: readonly number[]): void {
    pinBoth(withSide(pinned(), side, features));
  }

  function pinBoth(focus: Focus): void {
    update({ draft: NO_DRAFT });
    selection.pin(focus);
  }

  function clearOnEscape(event: KeyboardEvent): void {
    if (event.key !== "Escape") return;
    const drags = state.draft.some((draft) => draft !== null);
    const pinnedPlace = isPlace(part) && state.preview === null;
    point(NOTHING, null);
    update({ preview: null });
    if (isEmpty(pinned()) && !drags && !pinnedPlace) return;
    if (pinnedPlace) store.set("part", ALL);
    pinBoth(NOTHING);
    event.preventDefault();
    event.stopPropagation();
  }

  /** The part that the pointer is on, else the one that was chosen; all where it cannot be had. */
  function partShown(): string {
    const asked = state.preview ?? store.settings.part;
    return store.offers(asked) ? asked : "";
  }

  function noteTouch(event: PointerEvent): void {
    if (event.pointerType === "touch" && !state.touched) update({ touched: true });
  }

  function readWinners(): void {
    const now = [store.readOuts, store.subject];
    if (now.every((value, i) => value === wonOf[i])) return;
    wonOf = now;
    const inputs = store.subject.sides;
    won = wonPatches(readsOf(store.readOuts, inputs), inputs);
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
    const { level, fold } = store.settings;
    const now = [store.subject, level, fold];
    if (now.some((value, i) => value !== read[i])) sides = readAll();
    if (built.kinds !== kindsOf(sides)) {
      const folding = root.querySelector(".fpattr-fold:focus") !== null;
      built.life.abort();
      built = build();
      if (folding) root.querySelector<HTMLElement>(".fpattr-fold")?.focus();
    }
    part = partShown();
    store.request(part);
    readWinners();
    setAttributes(root, { "data-part": part || undefined });
    setAttributes(built.body, { "data-long": isLong(sides) });
    const resolved = resolveTheme(store.settings.theme, document.body, prefersDark().matches);
    setAttributes(root, { "data-theme": resolved.theme, "data-jupyter": resolved.jupyter });
    const { ground, ink } = PAPERS[resolved.theme];
    const style = getComputedStyle(root.firstElementChild ?? root);
    paper = { ground: parseRgb(style.backgroundColor, ground), ink: parseRgb(style.color, ink) };
    const seen = look({
      ...{ sides, pairs: store.pairsOf(part), all: store.pairs, settings: store.settings },
      mapsAll: isPlace(part),
      unit: store.ledger?.unit_scale ?? 1,
      ...{ pins: pinned(), hover: within(selection.hover), draft: state.draft, place: state.place },
      along: (side, features) => store.along(side, features, part),
      wonBy: (features) => features.flatMap((feature) => won.get(feature) ?? []),
      share: (side, kind, size) => share.extend(side, kind, size),
    });
    const shown = SIDES.flatMap((side) => shownOf(sides[side], seen.sides[side].chosen));
    root.dataset.shown = shown.join(" ");
    for (const part of built.parts) part.paint(seen);
    if (afterwards) for (const part of built.later) part.paint(seen);
    else afterwards = requestAnimationFrame(invalidate);
  }
}

function kindsOf(sides: Both<Side>): string {
  return sides.map(({ panels }) => panels.map(({ state }) => state.kind).join("+")).join(" × ");
}
