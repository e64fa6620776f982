/** The picture with its heat map and the outline of what is chosen. */

import { readOut as reading, signed } from "../values/format";
import { paintHeat } from "../values/heat";
import { type Grid, outlinePath, patchName } from "../values/region";
import type { PictureActions } from "./actions";
import type { Context, Part } from "./context";
import { h, setAttributes, setStyle, svg } from "./dom";
import { showImage } from "./image";
import { type Look, NOTHING } from "./look";
import { pictureKeyboard } from "./picture_keyboard";
import { picturePointer } from "./picture_pointer";

export function createPicture(context: Context): Part {
  const { store, signal } = context;
  const image = showImage(store, () => context.update({}), signal);
  const canvas = h("canvas", { class: "fpattr-heat", "aria-hidden": "true" });
  const layers = ["fpattr-under", "fpattr-over"].map((name) => svg("path", { class: name }));
  const marks = svg(
    "svg",
    { class: "fpattr-marks", preserveAspectRatio: "none", "aria-hidden": "true" },
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
    marks,
  );
  const element = h("figure", { class: "fpattr-picture" }, stage);
  let painted: unknown[] = [];

  const actions: PictureActions = {
    stage,
    get grid() {
      return store.subject.grid;
    },
    cursor: -1,
    hover(patch) {
      const hover = patch < 0 ? NOTHING : { ...NOTHING, patches: [patch] };
      context.update({ hover, place: patch < 0 ? null : { patch } });
    },
  };
  picturePointer(context, actions);
  pictureKeyboard(context, actions);
  return { element, paint };

  function paint(look: Look): void {
    const { settings, subject } = store;
    const { grid } = subject;
    const { columns, rows } = grid;
    image.follow();
    const ratio = image.ratio ?? (columns / rows || 1);
    setStyle(stage, "--fpattr-aspect", String(Number(ratio.toFixed(4))));
    setAttributes(marks, { viewBox: `0 0 ${Math.max(columns, 1)} ${Math.max(rows, 1)}` });
    setAttributes(stage, {
      "data-loaded": image.ratio !== null,
      "data-map": look.map !== null,
      "data-colour": settings.keep_colour,
      "data-smooth": settings.smooth,
      "aria-label": label(look, grid),
    });
    setStyle(canvas, "opacity", settings.opacity < 1 ? String(settings.opacity) : "");
    const { signs, smooth } = settings;
    const { pairs } = store;
    const shown = look.map && `${pairs.version} ${look.focus.tokens.join()}`;
    const next = [look.mapLimit, signs, smooth, columns, rows, pairs, shown];
    if (painted.length === 0 || next.some((value, i) => value !== painted[i])) {
      const { map, mapLimit: limit } = look;
      paintHeat(canvas, grid, map && { map, limit, signs, smooth });
      painted = next;
    }
    const path = outlinePath(look.focus.patches, grid);
    for (const layer of layers) setAttributes(layer, { d: path || undefined });
    setAttributes(marks, { "data-pinned": look.pinned.patches.length > 0 });
    readOut(look, grid);
  }

  /** The value at the pointer stands beside its patch, on the side where there is room. */
  function readOut(look: Look, { columns, rows }: Grid): void {
    const { place } = context.state;
    const patch = place && "patch" in place ? place.patch : -1;
    const on = patch >= 0 && look.atPlace !== null && !context.state.draft.patches;
    setAttributes(stage, {
      "data-readout": on ? reading(look.atPlace ?? Number.NaN) : undefined,
      "data-below": on && patch < columns * Math.ceil(rows / 8),
    });
    if (!on) return;
    const [x, y] = [patch % columns, Math.floor(patch / columns)];
    setStyle(stage, "--fpattr-x", String((x + 0.5) / columns));
    setStyle(stage, "--fpattr-y", String(y / rows));
    setStyle(stage, "--fpattr-patch", String(1 / rows));
  }

  function label(look: Look, grid: Grid): string {
    const size = `Picture of ${grid.rows} by ${grid.columns} patches`;
    const [only] = look.focus.patches;
    if (look.focus.patches.length !== 1 || only === undefined) return size;
    const value = look.map?.[only];
    const said = value === undefined ? "" : `: ${signed(value)}`;
    return `${size}. ${patchName(only, grid)}${said}`;
  }
}
