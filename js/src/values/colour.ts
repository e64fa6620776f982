/** Colours that mean values: red for, blue against, alpha for the magnitude. */

import type { Signs } from "./settings";

export type Rgb = readonly [red: number, green: number, blue: number];

export const POSITIVE: Rgb = [178, 24, 43];
export const NEGATIVE: Rgb = [33, 102, 172];
const STRONGEST = 0.85;

/** What a view stands on, in either theme. */
export const PAPERS: Record<"light" | "dark", { ground: Rgb; ink: Rgb }> = {
  light: { ground: [255, 255, 255], ink: [22, 25, 29] },
  dark: { ground: [21, 24, 28], ink: [232, 234, 237] },
};

export interface Tint {
  colour: Rgb;
  alpha: number;
}

/** The tint of a value on a scale that ends at ±`limit`; none for zero and for no number. */
export function tint(value: number, limit: number): Tint | null {
  if (!(Math.abs(value) > 0 && limit > 0)) return null;
  return {
    colour: value > 0 ? POSITIVE : NEGATIVE,
    alpha: STRONGEST * Math.min(1, Math.abs(value) / limit),
  };
}

/** Whether a value of this sign is to be painted and listed. */
export function wanted(value: number, signs: Signs): boolean {
  return signs === "both" || value > 0 === (signs === "for");
}

const FAINTEST = 0.2; // share of the limit: what is weaker looks like nothing anyway

/** Whether a value needs a mark that tells it from positive ones without hue. */
export function isAgainst(value: number, limit: number): boolean {
  return limit > 0 && value <= -FAINTEST * limit;
}

/** Whether a value lies beyond the end of a scale, but for rounding. */
export function isBeyond(value: number, limit: number): boolean {
  return limit > 0 && Math.abs(value) > limit * (1 + 1e-6);
}

export function css({ colour, alpha }: Tint): string {
  return `rgba(${colour.join(", ")}, ${Number(alpha.toFixed(4))})`;
}

/** What a tint looks like on an opaque backdrop. */
export function over({ colour, alpha }: Tint, backdrop: Rgb): Rgb {
  const mix = (i: 0 | 1 | 2) => alpha * colour[i] + (1 - alpha) * backdrop[i];
  return [mix(0), mix(1), mix(2)];
}

/** Relative luminance, WCAG 2.2. */
function luminance(colour: Rgb): number {
  const linear = (channel: number) => {
    const c = channel / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2]);
}

/** Contrast ratio of two opaque colours, WCAG 2.2: 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];
export const READABLE = 4.5;

/** The colour of text on `ground`: `ink` where that can be read, else black or white. */
export function inkOn(ground: Rgb, ink: Rgb): Rgb {
  if (contrast(ground, ink) >= READABLE) return ink;
  return contrast(ground, BLACK) >= contrast(ground, WHITE) ? BLACK : WHITE;
}

/** Read a computed CSS colour; anything but an opaque `rgb()` gives `otherwise`. */
export function parseRgb(text: string, otherwise: Rgb): Rgb {
  const match = /^rgb\(\s*([\d.]+)[\s,]+([\d.]+)[\s,]+([\d.]+)\s*\)$/.exec(text.trim());
  return match ? [Number(match[1]), Number(match[2]), Number(match[3])] : otherwise;
}
