/** The strongest pairs of a word and a small set of patches. */

import type { Signs } from "./protocol";
import { ascending } from "./sets";
import { wanted } from "./settings";

export interface StrongPair {
  tokens: number[];
  text: string;
  patches: number[];
  value: number;
}

/** The fewest patches that carry half of a map's positive, or of its negative, mass. */
export function halfOfMass(map: Float64Array, sign: 1 | -1): { patches: number[]; value: number } {
  const order = [...map.keys()]
    .filter((j) => sign * (map[j] ?? 0) > 0)
    .sort((a, b) => sign * ((map[b] ?? 0) - (map[a] ?? 0)));
  const mass = order.reduce((sum, j) => sum + (map[j] ?? 0), 0);
  const patches: number[] = [];
  let value = 0;
  for (const j of order) {
    if (Math.abs(value) >= Math.abs(mass) / 2) break;
    patches.push(j);
    value += map[j] ?? 0;
  }
  return { patches: ascending(patches), value };
}

/** Up to `count` pairs by magnitude; if any speaks against the match, the strongest of these is in. */
export function strongestPairs(
  words: Iterable<{ tokens: number[]; text: string; map: Float64Array | null }>,
  signs: Signs = "both",
  count = 5,
): StrongPair[] {
  const pairs: StrongPair[] = [];
  for (const { tokens, text, map } of words) {
    if (!map) continue;
    for (const sign of [1, -1] as const) {
      if (!wanted(sign, signs)) continue;
      const { patches, value } = halfOfMass(map, sign);
      if (patches.length > 0) pairs.push({ tokens, text, patches, value });
    }
  }
  pairs.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const top = pairs.slice(0, count);
  const against = pairs.find((pair) => pair.value < 0);
  if (against && !top.includes(against)) top.splice(-1, 1, against);
  return top;
}
