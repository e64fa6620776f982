/** Where the colour scales end. Pure. */

/**
 * A cosine that is too small to matter, at which no scale may end: noise would look like knowledge.
 *
 * CLIP-like models multiply their cosines by about a hundred before they choose among texts, so
 * that this much is one logit. The similarity itself is no measure: it may be next to nothing. The
 * figures have both numbers too: a contract compares them.
 */
export const FLOOR = 0.01;

/**
 * A feature of a side of so many is worth that much; of more they share it, so that a finer grid
 * does not pale.
 */
export const COARSE = 64;

/** What the scale of single features may not go below, on a side of so many. */
export function featureFloor(count: number): number {
  return FLOOR * Math.min(1, COARSE / Math.max(count, 1));
}

/** The scale's end for values of which the largest is `size`; 0 where there is nothing to show. */
export function limitOf(size: number, floor: number): number {
  return size > 0 ? Math.max(size, floor) : 0;
}
