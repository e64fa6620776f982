/** A choice of features on both sides. */

import { same } from "./sets";
import { type Both, both, type SideIndex } from "./sides";

/** Features that are chosen on each side; an empty list means that nothing was. */
export type Focus = Both<readonly number[]>;

export const NOTHING: Focus = [[], []];

/** A choice on one side alone. */
export function on(side: SideIndex, features: readonly number[]): Focus {
  return withSide(NOTHING, side, features);
}

export function withSide(focus: Focus, side: SideIndex, features: readonly number[]): Focus {
  return side === 0 ? [features, focus[1]] : [focus[0], features];
}

export function sameFocus(a: Focus, b: Focus): boolean {
  return same(a[0], b[0]) && same(a[1], b[1]);
}

export function isEmpty(focus: Focus): boolean {
  return focus[0].length + focus[1].length === 0;
}

/** What a drag that goes on would pin, on the side where there is one. */
export type Draft = Both<readonly number[] | null>;

export const NO_DRAFT: Draft = [null, null];

export function draftOn(side: SideIndex, features: readonly number[]): Draft {
  return side === 0 ? [features, null] : [null, features];
}

/** Per side: a drag comes first, then the pointer where it is beside the pins, then these. */
export function focusOf(pins: Focus, hover: Focus, draft: Draft): Focus {
  return both((side) => {
    const pinned = new Set(pins[side]);
    const beside = hover[side].some((feature) => !pinned.has(feature));
    return draft[side] ?? (beside ? hover[side] : pins[side]);
  });
}
