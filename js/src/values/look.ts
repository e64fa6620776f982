/** What is being looked at, and the values that this shows. Pure. */

import { type Draft, type Focus, focusOf } from "./focus";
import { FLOOR, featureFloor, limitOf } from "./limits";
import type { Pairs } from "./pairs";
import type { Settings } from "./settings";
import {
  type Both,
  both,
  otherThan,
  type ScaleKind,
  type Side,
  type SideIndex,
  sumAt,
  sumsOf,
} from "./sides";
import { largest } from "./sums";

const WORDS = 4; // that a short caption has

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
  /** Whether maps show the values: they are with a choice on the other side, and are there. */
  readonly mapped: boolean;
  /** Where the colours of sums and of single features end; panels of a kind share one. */
  readonly limits: Readonly<Record<ScaleKind, number>>;
  /** That of the sums, if the side has any. */
  readonly limit: number;
}

export interface Look {
  readonly sides: Both<SideLook>;
  /** Patches of side 1 that the chosen features of side 0 read, and no other. */
  readonly won: readonly number[];
  /** Value where the pointer stands; null where it stands nowhere, NaN where it is missing. */
  readonly atPlace: number | null;
}

export interface LookInput {
  sides: Both<Side>;
  /** Pairs of the part that is shown, and all of them, with which it shares its scales. */
  pairs: Pairs;
  all: Pairs;
  /** Whether maps show what everything is worth together, also where there are words to show it. */
  mapsAll: boolean;
  settings: Settings;
  /** What a cosine of two inputs is multiplied by. */
  unit: number;
  pins: Focus;
  hover: Focus;
  draft: Draft;
  place: Place | null;
  /** Sum over chosen features of a side, one number for each feature of the other. */
  along(side: SideIndex, features: readonly number[]): Float64Array;
  /** Patches that these features of side 0 read, and no other. */
  wonBy(features: readonly number[]): readonly number[];
  /** What a colour scale of several views has to show, of which this one shows `size`. */
  share(side: SideIndex, kind: ScaleKind, size: number): number;
}

export function look(input: LookInput): Look {
  const { sides, pairs, pins, place } = input;
  const focus = focusOf(pins, input.hover, input.draft);
  // Where there are no words to show what everything is worth together, the maps do; and of a
  // difference the whole map is what was asked for.
  const wordless = sides.every(({ panels }) => panels.every(({ scale }) => scale === "singles"));
  const difference = sides.some(({ panels }) => panels.some(({ state }) => state.weight < 0));
  const looks = both((side): SideLook => {
    const chosenThere = focus[otherThan(side)];
    const values =
      chosenThere.length > 0
        ? input.along(otherThan(side), chosenThere)
        : pairs.totals(otherThan(side));
    const { ordinary } = sides[side];
    const there = !Number.isNaN(values[ordinary[0] ?? 0] ?? Number.NaN);
    const mapped = there && (chosenThere.length > 0 || wordless || difference || input.mapsAll);
    const seen = { chosen: focus[side], pinned: pins[side], values, mapped };
    const kinds = new Set(sides[side].panels.map(({ scale }) => scale));
    const limits = {
      sums: kinds.has("sums") ? endOfSums(input, side, chosenThere, seen) : 0,
      singles: kinds.has("singles") ? endOfSingles(input, side, chosenThere, seen) : 0,
    };
    return { ...seen, limits, limit: kinds.has("sums") ? limits.sums : limits.singles };
  });
  return {
    sides: looks,
    won: input.wonBy(focus[0]),
    atPlace: place && sumAt(place.features, looks[place.side].values),
  };
}

/** Of groups' sums; those of special groups count where there are no others. */
function endOfSums(
  { sides, pairs, all, unit, share }: LookInput,
  side: SideIndex,
  chosenThere: readonly number[],
  { values }: Pick<SideLook, "values">,
): number {
  const groups = sides[side].panels.flatMap((panel) =>
    panel.scale === "sums" ? panel.groups : [],
  );
  const there = sides[otherThan(side)];
  const ordinary = groups.filter(({ special }) => !special);
  const sizeOf = (some: Float64Array) =>
    largest(sumsOf(ordinary, some)) || largest(sumsOf(groups, some));
  const other = otherThan(side);
  // A part is as strong as it is beside the whole, of the same choice.
  const whole =
    pairs === all
      ? values
      : chosenThere.length > 0
        ? all.along(other, chosenThere)
        : all.totals(other);
  const size = Math.max(sizeOf(values), sizeOf(whole));
  const few =
    chosenThere.length > 0 && !chosenThere.some((feature) => there.special[feature])
      ? chosenThere.length
      : Number.POSITIVE_INFINITY;
  const floor = unit * Math.min(FLOOR, few * featureFloor(there.ordinary.length));
  return limitOf(share(side, "sums", size), floor);
}

/**
 * What a choice is worth beside a word: a patch among many is worth less, so that what two
 * pictures have in common is seen patch by patch.
 */
function shareOf(sides: Both<Side>, side: SideIndex, chosenThere: readonly number[]): number {
  const { panels, ordinary } = sides[otherThan(side)];
  const patches = panels.every(({ scale }) => scale === "singles");
  if (!patches || chosenThere.length === 0) return 1;
  return Math.min(1, (WORDS * chosenThere.length) / Math.max(ordinary.length, 1));
}

/** Of single features. */
function endOfSingles(
  { sides, pairs, all, settings, unit, share }: LookInput,
  side: SideIndex,
  chosenThere: readonly number[],
  { values, mapped }: Pick<SideLook, "values" | "mapped">,
): number {
  const ordinary = sides[side].panels.flatMap((panel) =>
    panel.scale === "singles" ? panel.groups.filter(({ special }) => !special) : [],
  );
  const own = mapped ? largest(sumsOf(ordinary, values)) : 0;
  // A map's own scale is asked for to see weak maps, and has no floor; the legend tells its end.
  if (mapped && settings.scale === "own") return own;
  const size = share(side, "singles", Math.max(pairs.limit(), all.limit(), own));
  return limitOf(size, unit * featureFloor(ordinary.length) * shareOf(sides, side, chosenThere));
}
