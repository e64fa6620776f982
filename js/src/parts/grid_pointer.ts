/** Mouse, pen and touch on a grid: hover a cell, drag a region, click one. */

import { draftOn, NO_DRAFT, NOTHING } from "../values/focus";
import { combine, gestureOf, toggle } from "../values/gestures";
import { rectangle } from "../values/region";
import type { GridActions } from "./actions";
import type { Context } from "./context";

export function gridPointer(context: Context, actions: GridActions): void {
  const { signal, state } = context;
  const { side, stage } = actions;
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
    const cell = cellAt(event);
    if (event.button !== 0 || id !== -1 || cell < 0) return;
    id = event.pointerId;
    start = actions.cursor = cell;
    moved = false;
    stage.setPointerCapture?.(id);
    actions.hover(start);
  });
  listen("move", (event) => {
    const cell = cellAt(event);
    if (cell < 0) return;
    if (start < 0) {
      if (event.pointerType !== "touch") actions.hover(cell);
      return;
    }
    if (event.pointerId !== id || (cell === start && !moved)) return;
    moved = true;
    const region = changed(combine, rectangle(start, cell, actions.grid), event);
    context.update({ draft: draftOn(side, region) });
  });
  listen("up", (event) => {
    if (event.pointerId !== id) return;
    const touched = rectangle(start, cellAt(event), actions.grid);
    const change = moved ? combine : toggle;
    end();
    context.pin(side, changed(change, touched, event));
  });
  listen("cancel", (event) => {
    if (event.pointerId !== id) return;
    end();
    context.update({ draft: NO_DRAFT });
    context.point(NOTHING, null);
  });
  listen("leave", () => start < 0 && actions.hover(-1));

  /** Features that are pinned after a gesture over cells. */
  function changed(change: typeof combine, touched: number[], event: PointerEvent): number[] {
    const before = actions.cellsOf(context.pinned()[side]);
    return actions.featuresOf(change(before, touched, gestureOf(event, state.gesture)));
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
