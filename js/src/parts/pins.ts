/** What touch has no keys for: add to, take away from, and let go of what is pinned. */

import { isEmpty, NOTHING } from "../values/focus";
import type { Context, Part } from "./context";
import { choice } from "./controls";
import { h, setAttributes } from "./dom";

const GESTURES = { new: "replace", add: "add", remove: "remove" } as const;

export function createPins(context: Context): Part {
  const { state, signal } = context;
  const gestures = choice(
    "What a drag does",
    {
      new: "A drag pins something new",
      add: "A drag adds to what is pinned",
      remove: "A drag takes away from what is pinned",
    },
    (value) => context.update({ gesture: GESTURES[value] }),
    signal,
  );
  const clear = h(
    "button",
    { type: "button", class: "fpattr-button", title: "Let go of what is pinned (Escape)" },
    "clear",
  );
  clear.addEventListener(
    "click",
    () => {
      context.point(NOTHING, null);
      context.pinBoth(NOTHING);
    },
    { signal },
  );
  const element = h("div", { class: "fpattr-pins" }, gestures.element, clear);
  return {
    element,
    paint() {
      gestures.show(state.gesture === "replace" ? "new" : state.gesture);
      setAttributes(gestures.element, { hidden: !state.touched });
      setAttributes(clear, { hidden: isEmpty(context.pinned()) });
    },
  };
}
