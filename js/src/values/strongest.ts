/** The strongest pairs of a group and the few features that carry it, or of a special position. */

import { wanted } from "./colour";
import { isNothing } from "./format";
import type { Signs } from "./settings";
import type { Group, Side } from "./sides";
import { sumAt } from "./sides";
import { total } from "./sums";

export interface StrongPair {
  /** A group of the first side. */
  group: Group;
  /** Features of the second side. */
  features: readonly number[];
  value: number;
}

/** The fewest values that carry half of the positive, or of the negative, mass: their indices. */
export function halfOfMass(
  values: Float64Array,
  sign: 1 | -1,
): { indices: number[]; value: number } {
  const strengths = new Float64Array(values.length);
  let count = 0;
  for (let j = 0; j < values.length; j++) {
    const strength = sign * (values[j] ?? 0);
    if (strength > 0) strengths[count++] = strength;
  }
  const sorted = strengths.subarray(0, count).sort().reverse(); // fast: without a comparator
  const half = total(sorted) / 2;
  let value = 0;
  let weakest = Number.POSITIVE_INFINITY;
  let ties = 0; // how many values as strong as the weakest are taken
  for (const strength of sorted) {
    if (value >= half) break;
    ties = strength === weakest ? ties + 1 : 1;
    weakest = strength;
    value += strength;
  }
  const indices: number[] = [];
  for (let j = 0; j < values.length; j++) {
    const strength = sign * (values[j] ?? 0);
    if (strength > weakest || (strength === weakest && ties-- > 0)) indices.push(j);
  }
  return { indices, value: value && sign * value };
}

/**
 * Up to `count` pairs by magnitude; if any speaks against the match, the strongest of these is in.
 *
 * @param groups of the first side, each with its values over the features of the second; groups
 *   with missing values are passed over
 */
export function strongestPairs(
  groups: Iterable<readonly [group: Group, values: Float64Array]>,
  { groups: others, ordinary }: Pick<Side, "groups" | "ordinary">,
  signs: Signs = "both",
  count = 5,
): StrongPair[] {
  const special = others.filter((other) => other.special);
  const pairs: StrongPair[] = [];
  for (const [group, values] of groups) {
    if (values.includes(Number.NaN)) continue;
    for (const { features } of special) {
      const value = sumAt(features, values);
      if (!isNothing(value) && wanted(value, signs)) pairs.push({ group, features, value });
    }
    const spread = Float64Array.from(ordinary, (feature) => values[feature] ?? 0);
    for (const sign of [1, -1] as const) {
      if (!wanted(sign, signs)) continue;
      const { indices, value } = halfOfMass(spread, sign);
      const features = indices.map((index) => ordinary[index] ?? 0);
      if (features.length > 0 && !isNothing(value)) pairs.push({ group, features, value });
    }
  }
  pairs.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const top = pairs.slice(0, count);
  const against = pairs.find((pair) => pair.value < 0);
  if (against && !top.includes(against)) top.splice(-1, 1, against);
  return top;
}
