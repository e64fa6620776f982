/** The keyboard on a grid: arrows walk, shift extends a rectangle, Enter pins. */

import { draftOn, NO_DRAFT } from "../values/focus";
import { gestureOf, toggle } from "../values/gestures";
import { rectangle } from "../values/region";
import type { GridActions } from "./actions";
import type { Context } from "./context";

const STEPS: Record<string, readonly [dx: number, dy: number]> = {
  ArrowRight: [1, 0],
  ArrowLeft: [-1, 0],
  ArrowDown: [0, 1],
  ArrowUp: [0, -1],
};

export function gridKeyboard(context: Context, actions: GridActions): void {
  const { stage } = actions;
  const { signal } = context;
  /** Where a rectangle by keyboard began. */
  let anchor = -1;
  stage.addEventListener("keydown", onKey, { signal });
  stage.addEventListener("blur", () => actions.hover(-1), { signal });
  stage.addEventListener("pointerdown", () => (anchor = -1), { signal });

  function onKey(event: KeyboardEvent): void {
    const { rows, columns } = actions.grid;
    actions.cursor = Math.min(actions.cursor, rows * columns - 1);
    const step = STEPS[event.key];
    if (rows * columns === 0) return;
    if (step) walk(step, event.shiftKey);
    else if ((event.key === "Enter" || event.key === " ") && actions.cursor >= 0) pin(event);
    else {
      if (event.key === "Escape") anchor = -1;
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  function walk([dx, dy]: readonly [number, number], extend: boolean): void {
    const { rows, columns } = actions.grid;
    const { cursor } = actions;
    anchor = extend ? (anchor < 0 ? Math.max(cursor, 0) : anchor) : -1;
    if (cursor < 0) actions.cursor = 0;
    else {
      const x = Math.min(Math.max((cursor % columns) + dx, 0), columns - 1);
      const y = Math.min(Math.max(Math.floor(cursor / columns) + dy, 0), rows - 1);
      actions.cursor = y * columns + x;
    }
    if (extend) context.update({ draft: draftOn(actions.side, actions.featuresOf(chosen())) });
    else {
      context.update({ draft: NO_DRAFT });
      actions.hover(actions.cursor);
    }
  }

  function pin(event: KeyboardEvent): void {
    const cells = chosen();
    anchor = -1;
    const gesture = gestureOf(event, context.state.gesture);
    context.pin(actions.side, actions.pin(toggle, cells, gesture));
  }

  function chosen(): number[] {
    const { cursor, grid } = actions;
    return anchor < 0 ? [cursor] : rectangle(anchor, cursor, grid);
  }
}
