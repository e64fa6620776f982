/** The keyboard on a line of chips: arrows walk, shift extends a span, Enter pins. */

import { gestureOf, toggle } from "../values/gestures";
import type { ChipActions } from "./actions";
import type { Context } from "./context";

export function chipsKeyboard(context: Context, actions: ChipActions): void {
  const { text } = actions;
  /** Where a span by keyboard began. */
  let anchor = -1;
  text.addEventListener("keydown", onKey, { signal: context.signal });

  function onKey(event: KeyboardEvent): void {
    const index = actions.indexOf(event.target);
    if (index < 0) return;
    const { side } = actions;
    const step = stepOf(event.key, index);
    if (step !== undefined) {
      const next = Math.min(Math.max(index + step, 0), actions.count - 1);
      if (event.shiftKey) {
        if (anchor < 0) anchor = index;
        context.pin(side, actions.featuresOf(anchor, next));
      } else anchor = -1;
      actions.focus(next);
    } else if (event.key === "Enter" || event.key === " ") {
      anchor = -1;
      const gesture = gestureOf(event, context.state.gesture);
      const touched = actions.featuresOf(index, index);
      context.pin(side, toggle(context.pinned()[side], touched, gesture));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function stepOf(key: string, index: number): number | undefined {
    const forward = getComputedStyle(text).direction === "rtl" ? -1 : 1;
    const steps: Record<string, number> = {
      ArrowRight: forward,
      ArrowLeft: -forward,
      Home: -index,
      End: actions.count - 1 - index,
    };
    return steps[key];
  }
}
