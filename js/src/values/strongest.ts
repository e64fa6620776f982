/** The strongest pairs of a word and a small set of patches, or of either and a special position. */

import { wanted } from "./colour";
import { isNothing } from "./format";
import type { Signs } from "./shapes";
import { total } from "./sums";

export interface StrongPair {
  tokens: number[];
  text: string;
  patches: number[];
  /** Image features that are no patches, by their index; where there are any, no patches are. */
  specials: number[];
  value: number;
}

export interface Row {
  tokens: number[];
  text: string;
  /** Values with all patches; null where they are missing. */
  map: Float64Array | null;
  /** Values with image features that are no patches. */
  specials: ArrayLike<number>;
}

/** The fewest patches that carry half of a map's positive, or of its negative, mass. */
export function halfOfMass(map: Float64Array, sign: 1 | -1): { patches: number[]; value: number } {
  const strengths = new Float64Array(map.length);
  let count = 0;
  for (let j = 0; j < map.length; j++) {
    const strength = sign * (map[j] ?? 0);
    if (strength > 0) strengths[count++] = strength;
  }
  const sorted = strengths.subarray(0, count).sort(); // fast: without a comparator
  const half = total(sorted) / 2;
  let value = 0;
  let weakest = Number.POSITIVE_INFINITY;
  let ties = 0; // how many patches as strong as the weakest are taken
  for (let i = count - 1; i >= 0 && value < half; i--) {
    const strength = sorted[i] ?? 0;
    ties = strength === weakest ? ties + 1 : 1;
    weakest = strength;
    value += strength;
  }
  const patches: number[] = [];
  for (let j = 0; j < map.length; j++) {
    const strength = sign * (map[j] ?? 0);
    if (strength > weakest || (strength === weakest && ties-- > 0)) patches.push(j);
  }
  return { patches, value: sign * value };
}

/** Up to `count` pairs by magnitude; if any speaks against the match, the strongest of these is in. */
export function strongestPairs(
  rows: Iterable<Row>,
  signs: Signs = "both",
  count = 5,
): StrongPair[] {
  const pairs: StrongPair[] = [];
  for (const { tokens, text, map, specials } of rows) {
    if (!map) continue;
    for (let i = 0; i < specials.length; i++) {
      const value = specials[i] ?? 0;
      if (isNothing(value) || !wanted(value, signs)) continue;
      pairs.push({ tokens, text, patches: [], specials: [i], value });
    }
    for (const sign of [1, -1] as const) {
      if (!wanted(sign, signs)) continue;
      const { patches, value } = halfOfMass(map, sign);
      if (patches.length > 0 && !isNothing(value)) {
        pairs.push({ tokens, text, patches, specials: [], value });
      }
    }
  }
  pairs.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const top = pairs.slice(0, count);
  const against = pairs.find((pair) => pair.value < 0);
  if (against && !top.includes(against)) top.splice(-1, 1, against);
  return top;
}
