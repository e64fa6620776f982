/** What a drag, a click or a key does to a selection. */

import { ascending, same } from "./sets";

export type Gesture = "replace" | "add" | "remove";

/** What keys that are held down ask for; without any, what was chosen before. */
export function gestureOf(
  event: { shiftKey: boolean; altKey: boolean },
  chosen: Gesture = "replace",
): Gesture {
  if (event.altKey) return "remove";
  return event.shiftKey ? "add" : chosen;
}

/** A selection after a gesture over `touched`. */
export function combine(
  before: readonly number[],
  touched: readonly number[],
  gesture: Gesture,
): number[] {
  if (gesture === "replace") return ascending(touched);
  if (gesture === "add") return ascending([...before, ...touched]);
  const gone = new Set(touched);
  return ascending(before.filter((index) => !gone.has(index)));
}

/** A selection after a click: clicking what alone is selected clears it. */
export function toggle(
  before: readonly number[],
  touched: readonly number[],
  gesture: Gesture,
): number[] {
  if (gesture === "replace" && same(before, ascending(touched))) return [];
  return combine(before, touched, gesture);
}
