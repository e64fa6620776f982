/** Mouse, pen and touch on a line of chips: hover one, drag over some, click one. */

import { draftOn, NO_DRAFT, NOTHING } from "../values/focus";
import { combine, gestureOf, toggle } from "../values/gestures";
import type { ChipActions } from "./actions";
import type { Context } from "./context";

export function chipsPointer(
  context: Context,
  { side, text, indexOf, featuresOf, focus, hover }: ChipActions,
  section: HTMLElement,
): void {
  const { signal, state } = context;
  let start = -1;
  let last = -1;
  let moved = false;
  let id = -1;
  const listen = (type: "down" | "move" | "up" | "cancel", on: (event: PointerEvent) => void) =>
    text.addEventListener(`pointer${type}`, on, { signal });
  const at = (event: PointerEvent) => {
    const scope = text.getRootNode() as Document | ShadowRoot;
    return indexOf(scope.elementFromPoint?.(event.clientX, event.clientY) ?? event.target);
  };
  const end = () => {
    start = -1;
    id = -1;
    delete section.dataset.dragging;
  };

  listen("down", (event) => {
    if (event.button !== 0 || id !== -1) return;
    start = last = indexOf(event.target);
    moved = false;
    if (start < 0) return;
    id = event.pointerId;
    text.setPointerCapture?.(id);
    focus(start);
  });
  listen("move", (event) => {
    if (start < 0) {
      const index = indexOf(event.target);
      if (index < 0) context.leave();
      else if (event.pointerType !== "touch") hover(index);
      return;
    }
    if (event.pointerId !== id) return;
    const index = at(event);
    if (index < 0 || index === last) return;
    last = index;
    moved = true;
    section.dataset.dragging = "";
    const gesture = gestureOf(event, state.gesture);
    const span = combine(context.pinned()[side], featuresOf(start, last), gesture);
    context.update({ draft: draftOn(side, span) });
  });
  listen("up", (event) => {
    if (event.pointerId !== id) return;
    const touched = featuresOf(start, last);
    const change = moved ? combine : toggle;
    end();
    context.pin(side, change(context.pinned()[side], touched, gestureOf(event, state.gesture)));
    if (moved) context.point(NOTHING); // what was dragged over is looked at, not where it began
  });
  listen("cancel", (event) => {
    if (event.pointerId !== id) return;
    end();
    context.update({ draft: NO_DRAFT });
  });
  section.addEventListener(
    "pointerleave",
    (event) => {
      if (start >= 0) return;
      // A finger that is lifted leaves, and what it tapped goes on saying its value.
      if (event.pointerType === "touch") context.point(NOTHING);
      else context.leave();
    },
    { signal },
  );
}
