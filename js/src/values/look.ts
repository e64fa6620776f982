/** What is being looked at, and the values that this shows. Pure. */

import { type Draft, type Focus, focusOf } from "./focus";
import { FLOOR, featureFloor, limitOf } from "./limits";
import type { Pairs } from "./pairs";
import type { Settings } from "./settings";
import { type Both, both, otherThan, type Side, type SideIndex, sumAt, sumsOf } from "./sides";
import { largest } from "./sums";

/** Where the pointer, or the keyboard's cursor, stands: on a group of one side. */
export interface Place {
  side: SideIndex;
  features: readonly number[];
}

/** One side as it is looked at. */
export interface SideLook {
  /** Features that are chosen: pinned, or pointed at. */
  readonly chosen: readonly number[];
  readonly pinned: readonly number[];
  /**
   * Value of each feature, with what is chosen on the other side or else with all of it; NaN where
   * it is missing.
   */
  readonly values: Float64Array;
  /** Whether the values are with a choice on the other side, and are there. */
  readonly mapped: boolean;
  /** Where the colours end. */
  readonly limit: number;
}

export interface Look {
  readonly sides: Both<SideLook>;
  /** Value where the pointer stands; null where it stands nowhere, NaN where it is missing. */
  readonly atPlace: number | null;
}

export interface LookInput {
  sides: Both<Side>;
  pairs: Pairs;
  settings: Settings;
  pins: Focus;
  hover: Focus;
  draft: Draft;
  place: Place | null;
  /** Sum over chosen features of a side, one number for each feature of the other. */
  along(side: SideIndex, features: readonly number[]): Float64Array;
  /** What a colour scale of several views has to show, of which this one shows `size`. */
  share(side: SideIndex, size: number): number;
}

export function look(input: LookInput): Look {
  const { sides, pairs, pins, place } = input;
  const focus = focusOf(pins, input.hover, input.draft);
  const looks = both((side): SideLook => {
    const chosenThere = focus[otherThan(side)];
    const values =
      chosenThere.length > 0
        ? input.along(otherThan(side), chosenThere)
        : pairs.totals(otherThan(side));
    const { ordinary } = sides[side];
    const mapped = chosenThere.length > 0 && !Number.isNaN(values[ordinary[0] ?? 0] ?? Number.NaN);
    const seen = { chosen: focus[side], pinned: pins[side], values, mapped };
    return { ...seen, limit: scaleEnd(input, side, chosenThere, seen) };
  });
  return { sides: looks, atPlace: place && sumAt(place.features, looks[place.side].values) };
}

function scaleEnd(
  input: LookInput,
  side: SideIndex,
  chosenThere: readonly number[],
  seen: Pick<SideLook, "values" | "mapped">,
): number {
  const { panels } = input.sides[side];
  return panels.some(({ scale }) => scale === "sums")
    ? endOfSums(input, side, chosenThere, seen)
    : endOfSingles(input, side, seen);
}

/** Of groups' sums; those of special groups count where there are no others. */
function endOfSums(
  { sides, share }: LookInput,
  side: SideIndex,
  chosenThere: readonly number[],
  { values }: Pick<SideLook, "values">,
): number {
  const { groups } = sides[side];
  const there = sides[otherThan(side)];
  const ordinary = groups.filter(({ special }) => !special);
  const size = largest(sumsOf(ordinary, values)) || largest(sumsOf(groups, values));
  const few =
    chosenThere.length > 0 && !chosenThere.some((feature) => there.special[feature])
      ? chosenThere.length
      : Number.POSITIVE_INFINITY;
  const floor = Math.min(FLOOR, few * featureFloor(there.ordinary.length));
  return limitOf(share(side, size), floor);
}

/** Of single features. */
function endOfSingles(
  { sides, pairs, settings, share }: LookInput,
  side: SideIndex,
  { values, mapped }: Pick<SideLook, "values" | "mapped">,
): number {
  const { ordinary } = sides[side];
  const own = mapped ? largest(ordinary.map((feature) => values[feature] ?? 0)) : 0;
  // A map's own scale is asked for to see weak maps, and has no floor; the legend tells its end.
  if (mapped && settings.scale === "own") return own;
  return limitOf(share(side, Math.max(pairs.limit(), own)), featureFloor(ordinary.length));
}
