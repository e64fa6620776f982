/** Panels of a picture: its heat map, and the outline of what is chosen. */

import { NOTHING, on } from "../values/focus";
import { plural, readOut as reading, signed } from "../values/format";
import type { Look, SideLook } from "../values/look";
import { cellName, type Grid, outlinePath } from "../values/region";
import { same } from "../values/sets";
import type { PictureState } from "../values/shapes";
import { type Group, otherThan, type Panel, type PanelWords } from "../values/sides";
import { shownTitle, spokenTitle, titleOf } from "../values/weights";
import type { GridActions } from "./actions";
import { createChooser } from "./chooser";
import type { Among, Context, PanelKind, PanelPart, Shown } from "./context";
import { h, setAttributes, setStyle, svg } from "./dom";
import { gridKeyboard } from "./grid_keyboard";
import { gridPointer } from "./grid_pointer";
import { createHeading } from "./heading";
import { paintHatch, paintHeat } from "./heat_canvas";
import { showImage } from "./image";

const WORDS: PanelWords = {
  noun: "picture",
  feature: "patch",
  group: "patch",
  all: "patches",
  whole: "the picture",
  hovered: "a patch",
  dragged: "a region",
};

export interface PicturePanel extends Panel {
  readonly state: PictureState;
  readonly grid: Grid;
  /** Number of the first patch on the side. */
  readonly firstPatch: number;
}

export const PICTURE: PanelKind<PictureState, PicturePanel> = {
  noun: WORDS.noun,
  names: ({ names }) => names,
  read: readPicture,
  create: createPicture,
};

function readPicture(
  state: PictureState,
  { side, first, standing, isShared }: Among,
): PicturePanel {
  const [rows = 0, columns = 0] = state.grid;
  const grid = { rows, columns };
  const firstPatch = first + state.names.length;
  const title = titleOf(WORDS.noun, standing);
  const special = state.names.map((name, i) =>
    group(first + i, name, true, isShared(name) ? title : ""),
  );
  const patches = Array.from({ length: rows * columns }, (_, patch) =>
    group(firstPatch + patch, cellName(patch, grid), false),
  );
  const whose = standing.count > 1 ? ` of the ${title}` : "";
  const namesAmong = (features: readonly number[]) =>
    features.flatMap((feature) => state.names[feature - first] ?? []);
  const patchesAmong = (features: readonly number[]) =>
    features.filter((feature) => feature >= firstPatch).map((feature) => feature - firstPatch);
  return {
    state,
    side,
    first,
    grid,
    firstPatch,
    standing,
    groups: [...special, ...patches],
    aside: special,
    words: WORDS,
    scale: "singles",
    divided: false,
    name(features, joint) {
      const names = namesAmong(features);
      const among = patchesAmong(features);
      const [only] = among;
      if (among.length === 1 && only !== undefined) names.push(`patch ${cellName(only, grid)}`);
      else if (among.length > 1) {
        names.push(joint ? `${among.length} patches` : `region of ${among.length} patches`);
      }
      return names.length > 0 ? names.join(" and ") + whose : "";
    },
    tally: (features) =>
      (namesAmong(features).join() || plural(patchesAmong(features).length, "patch", "patches")) +
      whose,
    cite: ({ name, special }) => (special ? name : name + whose),
    remark: () => "",
    shown(features) {
      const among = patchesAmong(features);
      const names = features.filter((feature) => feature < firstPatch);
      const parts: string[] = [];
      const which = shownTitle(standing);
      if (among.length > 0) parts.push(`patches${which}:${among.join()}`);
      if (names.length > 0) {
        parts.push(`specials${which}:${names.map((name) => name - first).join()}`);
      }
      return parts;
    },
  };
}

function group(feature: number, text: string, special: boolean, whose = ""): Group {
  const name = whose ? `${text} (${whose})` : text;
  return { features: [feature], ...{ name, text, which: "", whose }, special, listed: true };
}

export function createPicture(context: Context, shown: Shown<PicturePanel>): PanelPart {
  const { store, signal } = context;
  const { side } = shown.now;
  const image = showImage(() => context.update({}), signal);
  const canvas = h("canvas", { class: "fpattr-heat", "aria-hidden": "true" });
  const hatch = h("canvas", { class: "fpattr-hatch", "aria-hidden": "true" });
  const outlined = () =>
    ["fpattr-under", "fpattr-over"].map((name) => svg("path", { class: name }));
  const [pins, layers] = [outlined(), outlined()];
  const won = [svg("path"), svg("path")];
  const marks = svg(
    "svg",
    { class: "fpattr-marks", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("g", { class: "fpattr-aside" }, ...pins),
    svg("g", { class: "fpattr-won" }, ...won),
    ...layers,
  );
  const stage = h(
    "div",
    {
      class: "fpattr-stage",
      role: "application",
      tabindex: 0,
      "aria-roledescription": "picture in patches",
    },
    image.element,
    canvas,
    hatch,
    marks,
  );
  const chooser = createChooser(context, side, stage);
  const heading = createHeading(context, shown);
  const element = h("figure", { class: "fpattr-picture" }, heading.element, stage, chooser.element);
  let painted: unknown[] = [];

  const actions: GridActions = {
    side,
    stage,
    get grid() {
      return shown.now.grid;
    },
    cursor: -1,
    hover(patch) {
      if (patch < 0) return context.point(NOTHING, null);
      const features = actions.featuresOf([patch]);
      context.point(on(side, features), { side, features });
    },
    featuresOf: (patches) => patches.map((patch) => shown.now.firstPatch + patch),
    pin(change, cells, gesture) {
      const before = context.pinned()[side];
      const own = patchesOf(shown.now, before);
      const after = actions.featuresOf(change(own, cells, gesture));
      if (gesture === "replace") return after;
      const kept = new Set(actions.featuresOf(own));
      return [...before.filter((feature) => !kept.has(feature)), ...after];
    },
  };
  gridPointer(context, actions);
  gridKeyboard(context, actions);
  return { element, surface: stage, tools: [chooser.button], paint };

  function paint(look: Look): void {
    const panel = shown.now;
    const { grid, firstPatch } = panel;
    const { columns, rows } = grid;
    const { settings } = store;
    const { pairs } = context;
    const here = look.sides[side];
    const chosen = patchesOf(panel, here.chosen);
    image.follow(panel.state);
    const ratio = image.ratio ?? (columns / rows || 1);
    setStyle(stage, "--fpattr-aspect", String(Number(ratio.toFixed(4))));
    setAttributes(marks, { viewBox: `0 0 ${Math.max(columns, 1)} ${Math.max(rows, 1)}` });
    setAttributes(stage, {
      "data-loaded": image.ratio !== null,
      "data-map": here.mapped,
      "data-colour": settings.keep_colour,
      "data-smooth": settings.smooth,
      "aria-label": label(panel, here, chosen),
    });
    for (const layer of [canvas, hatch]) {
      setStyle(layer, "opacity", settings.opacity < 1 ? String(settings.opacity) : "");
    }
    const { signs, smooth } = settings;
    const limit = here.limits.singles;
    const map = here.mapped && `${pairs.version} ${look.sides[otherThan(side)].chosen.join()}`;
    const next = [limit, signs, smooth, columns, rows, pairs, map];
    if (painted.length === 0 || next.some((value, i) => value !== painted[i])) {
      const values = here.values.subarray(firstPatch, firstPatch + rows * columns);
      const heat = here.mapped ? { map: values, limit, signs, smooth } : null;
      paintHatch(hatch, grid, heat);
      paintHeat(canvas, grid, heat);
      painted = next;
    }
    const path = outlinePath(chosen, grid);
    for (const layer of layers) setAttributes(layer, { d: path || undefined });
    const pinned = patchesOf(panel, here.pinned);
    const aside = same(pinned, chosen) ? "" : outlinePath(pinned, grid);
    for (const layer of pins) setAttributes(layer, { d: aside || undefined });
    const read = side === 1 ? outlinePath(patchesOf(panel, look.won), grid) : "";
    for (const layer of won) setAttributes(layer, { d: read || undefined });
    setAttributes(marks, { "data-pinned": pinned.length > 0 && !aside });
    heading.paint(look);
    readOut(panel, look);
    chooser.paint(look);
  }

  /** The value at the pointer stands beside its patch, on the side where there is room. */
  function readOut(panel: PicturePanel, { atPlace }: Look): void {
    const { place, draft } = context.state;
    const { columns, rows } = panel.grid;
    const [patch = -1] = place?.side === side ? patchesOf(panel, place.features) : [];
    const visible = patch >= 0 && atPlace !== null && !draft[side];
    setAttributes(stage, {
      "data-readout": visible ? reading(atPlace) : undefined,
      "data-below": visible && patch < columns * Math.ceil(rows / 8),
    });
    if (!visible) return;
    const [x, y] = [patch % columns, Math.floor(patch / columns)];
    setStyle(stage, "--fpattr-x", String((x + 0.5) / columns));
    setStyle(stage, "--fpattr-y", String(y / rows));
    setStyle(stage, "--fpattr-patch", String(1 / rows));
  }
}

/** The patches among features of the side. */
function patchesOf({ firstPatch, grid }: PicturePanel, features: readonly number[]): number[] {
  const count = grid.rows * grid.columns;
  return features
    .map((feature) => feature - firstPatch)
    .filter((patch) => patch >= 0 && patch < count);
}

function label(panel: PicturePanel, here: SideLook, chosen: number[]): string {
  const { grid, firstPatch, standing } = panel;
  const title = spokenTitle(WORDS.noun, standing);
  const size = `${title}${title === "Picture" ? " of" : ":"} ${grid.rows} by ${grid.columns} patches`;
  const [only] = chosen;
  if (chosen.length !== 1 || only === undefined) return size;
  const value = here.mapped ? (here.values[firstPatch + only] ?? Number.NaN) : null;
  return `${size}. ${cellName(only, grid)}${value === null ? "" : `: ${signed(value)}`}`;
}
