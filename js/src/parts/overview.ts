/** All words at a glance, so that a view speaks before it is pointed at: small maps, or a matrix. */

import { type Focus, NOTHING, on, sameFocus } from "../values/focus";
import { plural, readOut, signed } from "../values/format";
import type { Heat } from "../values/heat";
import { FLOOR, featureFloor, limitOf } from "../values/limits";
import type { Look } from "../values/look";
import {
  cellsOf,
  type Entry,
  type Maps,
  type Matrix,
  mapsOf,
  overviewOf,
  sizeOf,
} from "../values/overview";
import type { Grid } from "../values/region";
import { same } from "../values/sets";
import type { PictureState } from "../values/shapes";
import { otherThan, sumAt, wordOf } from "../values/sides";
import type { Context, Part } from "./context";
import { h, onPointed, setAttributes, setStyle, setText } from "./dom";
import { paintHatch, paintHeat } from "./heat_canvas";
import { type ShownImage, showImage } from "./image";
import { rove } from "./roving";
import { createThumb } from "./thumb";

/** What stands in the overview, for one plan of it. */
interface Shown {
  readonly element: HTMLElement;
  readonly title: string;
  /** Paint the values; return where their scale ends. */
  fill(): number;
  /** Show what is chosen and pinned. */
  mark(look: Look): void;
}

export function createOverview(context: Context): Part {
  const { store, signal } = context;
  const title = h("span", {});
  const scale = h("span", { class: "fpattr-limit" });
  const heading = h("p", {}, title, scale);
  const element = h("section", { class: "fpattr-overview", hidden: true }, heading);
  let arranged: unknown[] = [];
  let painted: unknown[] = [];
  let shown: Shown | null = null;
  /** Of what is shown: its pictures are let go when something else is. */
  let life = new AbortController();
  signal.addEventListener("abort", () => life.abort(), { once: true });
  // It has its room from the beginning; its values come later.
  arrange();
  return { element, paint };

  function arrange(): void {
    const { pairs, subject } = store;
    const now = [context.sides, pairs, pairs.complete];
    if (now.every((value, i) => value === arranged[i])) return;
    arranged = now;
    painted = [];
    life.abort();
    life = new AbortController();
    const overview = overviewOf(context.sides, subject.folds, pairs);
    if (overview?.kind === "maps") shown = createMaps(context, overview, life.signal);
    else shown = overview && createMatrix(context, overview, life.signal);
    element.replaceChildren(heading, ...(shown ? [shown.element] : []));
    setText(title, shown?.title ?? "");
    setAttributes(element, { hidden: shown === null, "aria-label": shown?.title });
  }

  function paint(look: Look): void {
    arrange();
    if (!shown) return;
    const { pairs } = context;
    const values = [pairs, pairs.version, store.settings.signs, store.ledger];
    if (values.some((value, i) => value !== painted[i])) {
      painted = values;
      const limit = shown.fill();
      setText(scale, limit > 0 ? `one scale, ±${signed(limit).slice(1)}` : "");
    }
    shown.mark(look);
  }
}

function createMaps(context: Context, maps: Maps, signal: AbortSignal): Shown {
  const { store } = context;
  const { side, entries, fields, of } = maps;
  const there = otherThan(side);
  const words = wordOf(context.sides[side], "all");
  const title =
    entries.length < of ? `The ${entries.length} strongest of ${of} ${words}` : `All ${words}`;
  const cells = entries.map((entry) => {
    const thumbs = fields.map(({ grid }) => createThumb(grid));
    const name = h("bdi", { class: "fpattr-cell-name" }, entry.text);
    const button = h(
      "button",
      { type: "button", class: "fpattr-cell" },
      h("span", { class: "fpattr-thumbs" }, ...thumbs.map((thumb) => thumb.element)),
      name,
    );
    return { entry, thumbs, button };
  });
  const element = h(
    "div",
    { class: "fpattr-maps", role: "group", "aria-label": title },
    ...cells.map(({ button }) => button),
  );
  setStyle(element, "--fpattr-across", String(fields.length));
  const images = fields.map((): ShownImage => showImage(() => dress(), signal));
  for (const { entry, button } of cells) {
    linkTo(context, button, on(side, entry.features), signal);
  }
  rove(
    cells.map(({ button }) => button),
    signal,
  );
  return { element, title, fill, mark };

  /** Put the pictures under the maps, in their proportions. */
  function dress(): void {
    images.forEach((image, i) => {
      for (const { thumbs } of cells) thumbs[i]?.dress(image);
    });
  }

  function fill(): number {
    const { pairs } = context;
    const { settings } = store;
    images.forEach((image, i) => {
      const panel = context.sides[there].panels[fields[i]?.panel ?? 0];
      image.follow(panel?.state as PictureState);
    });
    const all = cells.map(({ entry }) => mapsOf(maps, entry, pairs));
    const { ordinary } = context.sides[there];
    const floor = unitOf(context) * featureFloor(ordinary.length);
    const whole = entries.flatMap((entry) => mapsOf(maps, entry, store.pairs));
    const limit = limitOf(sizeOf([...all.flat(), ...whole]), floor);
    const { signs } = settings;
    cells.forEach(({ entry, thumbs, button }, i) => {
      thumbs.forEach((thumb, k) => {
        const map = all[i]?.[k] ?? new Float64Array();
        thumb.paint({ map, limit, signs, smooth: false });
      });
      const sum = sumAt(ordinary, pairs.along(side, entry.features));
      const others = wordOf(context.sides[there], "all");
      setAttributes(button, { "aria-label": `${entry.name}, all ${others} ${readOut(sum)}` });
    });
    return limit;
  }

  function mark({ sides }: Look): void {
    const { chosen, pinned } = sides[side];
    for (const { entry, button } of cells) {
      setAttributes(button, {
        "data-chosen": same(entry.features, chosen),
        "aria-pressed": String(same(entry.features, pinned)),
      });
    }
  }
}

function createMatrix(context: Context, matrix: Matrix, signal: AbortSignal): Shown {
  const { store } = context;
  const [rows, columns] = matrix.sides;
  const grid: Grid = { rows: rows.length, columns: columns.length };
  const title = matrixTitle(context, matrix);
  const [heat, hatch] = [h("canvas", { class: "fpattr-colours" }), h("canvas", {})];
  const cursor = h("span", { class: "fpattr-cursor", hidden: true });
  const cells = h(
    "div",
    {
      class: "fpattr-cells",
      role: "application",
      tabindex: 0,
      "aria-roledescription": "matrix of words",
    },
    heat,
    hatch,
    cursor,
  );
  const heads = matrix.sides.map((entries, side) =>
    entries.map(({ text }) => h("bdi", { class: "fpattr-head", "data-side": side }, text)),
  );
  const element = h("div", { class: "fpattr-matrix" }, ...heads.flat(), cells);
  setStyle(element, "--fpattr-rows", String(rows.length));
  setStyle(element, "--fpattr-columns", String(columns.length));
  heads.forEach((labels, side) => {
    labels.forEach((label, i) => {
      setStyle(label, side === 0 ? "grid-row" : "grid-column", String(i + 2));
      const entry = matrix.sides[side as 0 | 1][i] as Entry;
      linkTo(context, label, on(side as 0 | 1, entry.features), signal);
    });
  });
  /** Where the keyboard is. */
  let [row, column] = [0, 0];
  const focusAt = (i: number, j: number): Focus => [
    rows[i]?.features ?? [],
    columns[j]?.features ?? [],
  ];
  const point = () => context.point(focusAt(row, column), null);
  const pin = () => {
    const focus = focusAt(row, column);
    context.pinBoth(sameFocus(context.pinned(), focus) ? NOTHING : focus);
  };
  const follow = ({ clientX, clientY }: MouseEvent) => {
    const { left, top, width, height } = cells.getBoundingClientRect();
    const at = (share: number, count: number) =>
      Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    row = at((clientY - top) / height, grid.rows);
    column = at((clientX - left) / width, grid.columns);
    point();
  };
  cells.addEventListener("pointermove", follow, { signal });
  cells.addEventListener("pointerleave", context.leave, { signal });
  cells.addEventListener("focus", () => cells.matches(":focus-visible") && point(), { signal });
  cells.addEventListener("blur", context.leave, { signal });
  cells.addEventListener(
    "click",
    (event) => {
      follow(event);
      pin();
    },
    { signal },
  );
  cells.addEventListener("keydown", walk, { signal });
  return { element, title, fill, mark };

  function walk(event: KeyboardEvent): void {
    const [down, right] =
      {
        ...{ ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] },
        ...{ Enter: [0, 0], " ": [0, 0] },
      }[event.key] ?? [];
    if (down === undefined || right === undefined) return;
    event.preventDefault();
    row = Math.min(grid.rows - 1, Math.max(0, row + down));
    column = Math.min(grid.columns - 1, Math.max(0, column + right));
    if (down === 0 && right === 0) pin();
    else point();
  }

  function fill(): number {
    const { pairs, settings } = store;
    const map = cellsOf(matrix, context.pairs);
    const limit = limitOf(sizeOf([map, cellsOf(matrix, pairs)]), unitOf(context) * FLOOR);
    const values: Heat = { map, limit, signs: settings.signs, smooth: false };
    paintHatch(hatch, grid, values, 24 * Math.max(grid.rows, grid.columns));
    paintHeat(heat, grid, values);
    return limit;
  }

  function mark({ sides: looks }: Look): void {
    const chosen = matrix.sides.map((entries, side) =>
      entries.findIndex(({ features }) => same(features, looks[side as 0 | 1].chosen)),
    );
    heads.forEach((labels, side) => {
      labels.forEach((label, i) => {
        setAttributes(label, { "data-chosen": chosen[side] === i });
      });
    });
    const [i = -1, j = -1] = chosen;
    const visible = i >= 0 && j >= 0;
    setAttributes(cursor, { hidden: !visible });
    const name = `${title}: ${plural(grid.rows, "row")}, ${plural(grid.columns, "column")}`;
    const value = visible ? sumAt(columns[j]?.features ?? [], looks[1].values) : 0;
    setAttributes(cells, {
      "aria-label": visible ? `${rows[i]?.name} × ${columns[j]?.name}: ${readOut(value)}` : name,
    });
    if (!visible) return;
    setStyle(cursor, "top", `${(100 * i) / grid.rows}%`);
    setStyle(cursor, "left", `${(100 * j) / grid.columns}%`);
    setStyle(cursor, "height", `${100 / grid.rows}%`);
    setStyle(cursor, "width", `${100 / grid.columns}%`);
  }
}

function matrixTitle(context: Context, { sides, of }: Matrix): string {
  const [rows, columns] = sides.map((entries, side) => {
    const words = wordOf(context.sides[side as 0 | 1], "all");
    return entries.length < (of[side] ?? 0) ? `the ${entries.length} strongest ${words}` : words;
  });
  const text = `${rows} × ${columns}`;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** What a cosine of two inputs is multiplied by. */
function unitOf({ store }: Context): number {
  return store.ledger?.unit_scale ?? 1;
}

/** Look at a choice while the pointer or the focus is on an element, and pin it by a click. */
function linkTo(context: Context, element: HTMLElement, focus: Focus, signal: AbortSignal): void {
  const show = () => context.point(focus, null);
  const pin = () => context.pinBoth(sameFocus(context.pinned(), focus) ? NOTHING : focus);
  onPointed(element, show, context.leave, signal);
  element.addEventListener("click", pin, { signal });
}
