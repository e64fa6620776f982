/** The picture with its heat map; patches to hover, drag over and walk through by keyboard. */

import { bytesOf } from "./bytes";
import type { Context, Part } from "./context";
import { h, setAttributes, setStyle, svg } from "./dom";
import { signed } from "./format";
import { paintHeat, pixelsPerPatch } from "./heat";
import { patchName } from "./line";
import { type Look, NOTHING } from "./look";
import { outlinePath, rectangle } from "./region";
import { combine, gestureOf, toggle } from "./sets";

export function createPicture(context: Context): Part {
  const { store, signal } = context;
  const { grid } = store.subject;
  const last = grid.rows * grid.columns - 1;
  const img = h("img", { class: "fpattr-img", alt: "", draggable: "false" });
  const k = pixelsPerPatch(grid);
  const canvas = h("canvas", {
    class: "fpattr-heat",
    width: grid.columns * k,
    height: grid.rows * k,
    "aria-hidden": "true",
  });
  const layers = ["fpattr-under", "fpattr-over"].map((name) => svg("path", { class: name }));
  const marks = svg(
    "svg",
    {
      class: "fpattr-marks",
      viewBox: `0 0 ${Math.max(grid.columns, 1)} ${Math.max(grid.rows, 1)}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
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
    img,
    canvas,
    marks,
  );
  const element = h("figure", { class: "fpattr-picture" }, stage);
  setAspect(grid.columns / grid.rows || 1);
  /** Where the keyboard is, and where a selection by keyboard began. */
  let cursor = -1;
  let anchor = -1;
  let painted: unknown[] = [];

  load();
  pointer();
  keyboard();
  return { element, paint };

  function setAspect(ratio: number): void {
    setStyle(stage, "--fpattr-aspect", String(Number(ratio.toFixed(4))));
  }

  function load(): void {
    const bytes = bytesOf(store.model.get("picture"));
    const type = store.model.get("picture_type") ?? "";
    if (bytes.length === 0 || !type.startsWith("image/")) return;
    const url = URL.createObjectURL(new Blob([bytes], { type }));
    signal.addEventListener("abort", () => URL.revokeObjectURL(url), { once: true });
    img.addEventListener(
      "load",
      () => {
        stage.dataset.loaded = "";
        setAspect(img.naturalWidth / img.naturalHeight || 1);
      },
      { signal },
    );
    img.src = url;
  }

  function hover(patches: number[]): void {
    context.update({ hover: { ...NOTHING, patches } });
  }

  function patchAt(event: PointerEvent): number {
    const box = stage.getBoundingClientRect();
    const cell = (position: number, size: number, count: number) =>
      Math.min(Math.max(Math.floor((position / size) * count) || 0, 0), count - 1);
    const column = cell(event.clientX - box.left, box.width, grid.columns);
    const row = cell(event.clientY - box.top, box.height, grid.rows);
    return row * grid.columns + column;
  }

  function pointer(): void {
    let start = -1;
    let id = -1;
    let moved = false;
    const end = () => {
      start = -1;
      id = -1;
    };
    stage.addEventListener(
      "pointerdown",
      (event) => {
        if (event.button !== 0 || id !== -1 || last < 0) return;
        id = event.pointerId;
        start = patchAt(event);
        moved = false;
        cursor = start;
        anchor = -1;
        stage.setPointerCapture?.(id);
        hover([start]);
      },
      { signal },
    );
    stage.addEventListener(
      "pointermove",
      (event) => {
        if (last < 0) return;
        const patch = patchAt(event);
        if (start < 0) {
          if (event.pointerType !== "touch") hover([patch]);
          return;
        }
        if (event.pointerId !== id || (patch === start && !moved)) return;
        moved = true;
        const { patches } = context.pinned();
        const touched = rectangle(start, patch, grid);
        context.update({ draft: { patches: combine(patches, touched, gestureOf(event)) } });
      },
      { signal },
    );
    stage.addEventListener(
      "pointerup",
      (event) => {
        if (event.pointerId !== id) return;
        const touched = rectangle(start, patchAt(event), grid);
        const { patches } = context.pinned();
        const change = moved ? combine : toggle;
        end();
        context.pin({ patches: change(patches, touched, gestureOf(event)), specials: [] });
      },
      { signal },
    );
    stage.addEventListener(
      "pointercancel",
      (event) => {
        if (event.pointerId !== id) return;
        end();
        context.update({ draft: {}, hover: NOTHING });
      },
      { signal },
    );
    stage.addEventListener("pointerleave", () => start < 0 && hover([]), { signal });
    stage.addEventListener("blur", () => hover([]), { signal });
  }

  function keyboard(): void {
    const steps: Record<string, readonly [dx: number, dy: number]> = {
      ArrowRight: [1, 0],
      ArrowLeft: [-1, 0],
      ArrowDown: [0, 1],
      ArrowUp: [0, -1],
    };
    stage.addEventListener(
      "keydown",
      (event) => {
        if (last < 0) return;
        const step = steps[event.key];
        if (step) {
          if (event.shiftKey && anchor < 0) anchor = Math.max(cursor, 0);
          if (!event.shiftKey) anchor = -1;
          if (cursor < 0) cursor = 0;
          else {
            const { rows, columns } = grid;
            const x = Math.min(Math.max((cursor % columns) + step[0], 0), columns - 1);
            const y = Math.min(Math.max(Math.floor(cursor / columns) + step[1], 0), rows - 1);
            cursor = y * columns + x;
          }
          const patches = anchor < 0 ? [cursor] : rectangle(anchor, cursor, grid);
          if (anchor < 0) context.update({ draft: {}, hover: { ...NOTHING, patches } });
          else context.update({ draft: { patches } });
        } else if ((event.key === "Enter" || event.key === " ") && cursor >= 0) {
          const patches = anchor < 0 ? [cursor] : rectangle(anchor, cursor, grid);
          anchor = -1;
          const pinned = context.pinned().patches;
          context.pin({ patches: toggle(pinned, patches, gestureOf(event)), specials: [] });
        } else if (event.key === "Escape") {
          anchor = -1;
          return;
        } else return;
        event.preventDefault();
        event.stopPropagation();
      },
      { signal },
    );
  }

  function paint(look: Look): void {
    setAttributes(stage, {
      "data-map": look.map !== null,
      "data-colour": context.state.colour,
      "aria-label": label(look),
    });
    const { patches } = look.focus;
    const next = [look.mapLimit, look.map?.join(), patches.join()];
    if (next.some((value, i) => value !== painted[i]) || painted.length === 0) {
      if (next[0] !== painted[0] || next[1] !== painted[1] || painted.length === 0) {
        paintHeat(canvas, look.map, look.mapLimit, grid);
      }
      const path = outlinePath(patches, grid);
      for (const layer of layers) setAttributes(layer, { d: path || undefined });
      painted = next;
    }
    setAttributes(marks, { "data-pinned": look.pinned.patches.length > 0 });
  }

  function label(look: Look): string {
    const size = `Picture of ${grid.rows} by ${grid.columns} patches`;
    const [only] = look.focus.patches;
    if (look.focus.patches.length !== 1 || only === undefined) return size;
    const value = look.map?.[only];
    const said = value === undefined ? "" : `: ${signed(value)}`;
    return `${size}. ${patchName(only, grid)}${said}`;
  }
}
