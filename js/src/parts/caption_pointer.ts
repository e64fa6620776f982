/** Mouse, pen and touch on the caption: hover a chip, drag over some, click one. */

import { combine, gestureOf, toggle } from "../values/gestures";
import type { CaptionActions } from "./actions";
import type { Context } from "./context";

export function captionPointer(
  context: Context,
  { text, indexOf, tokensOf, focus, hover }: CaptionActions,
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
      if (index < 0 || event.pointerType !== "touch") hover(index);
      return;
    }
    if (event.pointerId !== id) return;
    const index = at(event);
    if (index < 0 || index === last) return;
    last = index;
    moved = true;
    section.dataset.dragging = "";
    const { tokens } = context.pinned();
    const gesture = gestureOf(event, state.gesture);
    context.update({ draft: { tokens: combine(tokens, tokensOf(start, last), gesture) } });
  });
  listen("up", (event) => {
    if (event.pointerId !== id) return;
    const touched = tokensOf(start, last);
    const { tokens } = context.pinned();
    const change = moved ? combine : toggle;
    end();
    context.pin({ tokens: change(tokens, touched, gestureOf(event, state.gesture)) });
  });
  listen("cancel", (event) => {
    if (event.pointerId !== id) return;
    end();
    context.update({ draft: {} });
  });
  section.addEventListener("pointerleave", () => start < 0 && hover(-1), { signal });
}
