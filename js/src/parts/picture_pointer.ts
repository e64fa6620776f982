/** Mouse, pen and touch on the picture: hover a patch, drag a region, click one. */

import { combine, gestureOf, toggle } from "../values/gestures";
import { rectangle } from "../values/region";
import type { PictureActions } from "./actions";
import type { Context } from "./context";
import { NOTHING } from "./look";

export function picturePointer(context: Context, actions: PictureActions): void {
  const { signal, state } = context;
  const { stage } = actions;
  let start = -1;
  let id = -1;
  let moved = false;
  const listen = (type: string, on: (event: PointerEvent) => void) =>
    stage.addEventListener(`pointer${type}` as "pointerdown", on, { signal });
  const end = () => {
    start = -1;
    id = -1;
  };

  listen("down", (event) => {
    const patch = patchAt(event);
    if (event.button !== 0 || id !== -1 || patch < 0) return;
    id = event.pointerId;
    start = actions.cursor = patch;
    moved = false;
    stage.setPointerCapture?.(id);
    actions.hover(start);
  });
  listen("move", (event) => {
    const patch = patchAt(event);
    if (patch < 0) return;
    if (start < 0) {
      if (event.pointerType !== "touch") actions.hover(patch);
      return;
    }
    if (event.pointerId !== id || (patch === start && !moved)) return;
    moved = true;
    const { patches } = context.pinned();
    const touched = rectangle(start, patch, actions.grid);
    const gesture = gestureOf(event, state.gesture);
    context.update({ draft: { patches: combine(patches, touched, gesture) } });
  });
  listen("up", (event) => {
    if (event.pointerId !== id) return;
    const touched = rectangle(start, patchAt(event), actions.grid);
    const { patches } = context.pinned();
    const change = moved ? combine : toggle;
    end();
    const gesture = gestureOf(event, state.gesture);
    context.pin({ patches: change(patches, touched, gesture), specials: [] });
  });
  listen("cancel", (event) => {
    if (event.pointerId !== id) return;
    end();
    context.update({ draft: {}, hover: NOTHING, place: null });
  });
  listen("leave", () => start < 0 && actions.hover(-1));

  /** The patch under an event, or the nearest one; −1 where there are none. */
  function patchAt(event: PointerEvent): number {
    const { rows, columns } = actions.grid;
    if (rows * columns === 0) return -1;
    const box = stage.getBoundingClientRect();
    const cell = (position: number, size: number, count: number) =>
      Math.min(Math.max(Math.floor((position / size) * count) || 0, 0), count - 1);
    const column = cell(event.clientX - box.left, box.width, columns);
    const row = cell(event.clientY - box.top, box.height, rows);
    return row * columns + column;
  }
}
