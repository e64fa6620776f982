/** Mouse, pen and touch on a grid: hover a cell, drag a region, click one. */

import { draftOn, NO_DRAFT, NOTHING } from "../values/focus";
import { combine, gestureOf, toggle } from "../values/gestures";
import { rectangle } from "../values/region";
import type { GridActions } from "./actions";
import type { Context } from "./context";

const LONG_PRESS = 400; // ms after which a finger that rests begins a region
const SECOND_TAP = 350; // ms within which a finger that comes back does
const REST = 8; // pixels that a finger that rests may move

export function gridPointer(context: Context, actions: GridActions): void {
  const { signal, state } = context;
  const { side, stage } = actions;
  let start = -1;
  let id = -1;
  let moved = false;
  /** Whether a finger draws a region, and the page does not scroll with it. */
  let drawing = false;
  let from = { x: 0, y: 0 };
  let lifted = Number.NEGATIVE_INFINITY;
  let resting: ReturnType<typeof setTimeout> | undefined;
  const listen = (type: string, on: (event: PointerEvent) => void) =>
    stage.addEventListener(`pointer${type}` as "pointerdown", on, { signal });
  const draw = (on: boolean) => {
    clearTimeout(resting);
    drawing = on;
    stage.toggleAttribute("data-drawing", on);
  };
  const end = () => {
    start = -1;
    id = -1;
    draw(false);
  };
  signal.addEventListener("abort", () => clearTimeout(resting), { once: true });

  listen("down", (event) => {
    const cell = cellAt(event);
    if (event.button !== 0 || id !== -1 || cell < 0) return;
    id = event.pointerId;
    start = actions.cursor = cell;
    moved = false;
    from = { x: event.clientX, y: event.clientY };
    stage.setPointerCapture?.(id);
    actions.hover(start);
    if (event.pointerType !== "touch") return;
    draw(event.timeStamp - lifted < SECOND_TAP);
    if (!drawing) resting = setTimeout(() => draw(true), LONG_PRESS);
  });
  listen("move", (event) => {
    const cell = cellAt(event);
    if (cell < 0) return;
    if (start < 0) {
      if (event.pointerType !== "touch") actions.hover(cell);
      return;
    }
    if (event.pointerId !== id) return;
    if (Math.hypot(event.clientX - from.x, event.clientY - from.y) > REST) clearTimeout(resting);
    if (cell === start && !moved) return;
    moved = true;
    const region = changed(combine, rectangle(start, cell, actions.grid), event);
    context.update({ draft: draftOn(side, region) });
  });
  listen("up", (event) => {
    if (event.pointerId !== id) return;
    const touched = rectangle(start, cellAt(event), actions.grid);
    const change = moved ? combine : toggle;
    lifted = moved ? Number.NEGATIVE_INFINITY : event.timeStamp;
    end();
    context.pin(side, changed(change, touched, event));
    if (moved) context.point(NOTHING); // what was drawn is looked at, not where it began
  });
  listen("cancel", (event) => {
    if (event.pointerId !== id) return;
    end();
    context.update({ draft: NO_DRAFT });
    context.point(NOTHING, null);
  });
  listen("leave", (event) => {
    if (start >= 0) return;
    // A finger that is lifted leaves, and what it tapped goes on saying its value.
    if (event.pointerType === "touch") context.point(NOTHING);
    else actions.hover(-1);
  });
  // Only what is prevented here, before it begins, keeps the page from scrolling.
  stage.addEventListener("touchmove", (event) => drawing && event.preventDefault(), {
    signal,
    passive: false,
  });
  stage.addEventListener("contextmenu", (event) => drawing && event.preventDefault(), { signal });

  /** Features that are pinned after a gesture over cells. */
  function changed(change: typeof combine, touched: number[], event: PointerEvent): number[] {
    return actions.pin(change, touched, gestureOf(event, state.gesture));
  }

  /** The cell under an event, or the nearest one; −1 where there are none. */
  function cellAt(event: PointerEvent): number {
    const { rows, columns } = actions.grid;
    if (rows * columns === 0) return -1;
    const box = stage.getBoundingClientRect();
    const index = (position: number, size: number, count: number) =>
      Math.min(Math.max(Math.floor((position / size) * count) || 0, 0), count - 1);
    const column = index(event.clientX - box.left, box.width, columns);
    const row = index(event.clientY - box.top, box.height, rows);
    return row * columns + column;
  }
}
