/** The parts of a sum in words: their signed weights, and how they are told from each other. */

import type { AnyPanel } from "./shapes";

/** How a panel is told from others of its kind, on both sides. */
export interface Standing {
  /** Its number among them in reading order, from 1 on, and how many there are. */
  readonly number: number;
  readonly count: number;
  /** What its part is multiplied by. */
  readonly weight: number;
  /** Whether its side is a sum: several parts, or one that is multiplied. */
  readonly summed: boolean;
}

/** A panel that is told from no other. */
export const ALONE: Standing = { number: 1, count: 1, weight: 1, summed: false };

const MINUS = "−";
const FRACTIONS: Record<number, string> = { 2: "½", 3: "⅓", 4: "¼", 5: "⅕", 6: "⅙", 8: "⅛" };
const MOST_PARTS = 1000;
const ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"];

/** `½`, `1/80`, `2`, `0.37`: a size of a weight. */
function sizeOf(weight: number): string {
  const size = Math.abs(weight);
  const parts = Math.round(1 / size);
  if (parts > 1 && parts <= MOST_PARTS && Math.abs(size * parts - 1) < 1e-6) {
    return FRACTIONS[parts] ?? `1/${parts}`;
  }
  return String(Number(size.toPrecision(3)));
}

/** `+`, `−`, `½ ×`, `−2 ×`: a weight as it stands before its part. */
export function weightText(weight: number): string {
  if (Math.abs(weight) === 1) return weight < 0 ? MINUS : "+";
  return `${weight < 0 ? MINUS : ""}${sizeOf(weight)} ×`;
}

/** `plus`, `minus`, `minus 2 times`: a weight for those who listen. */
export function weightSpoken(weight: number): string {
  const sign = weight < 0 ? "minus" : "plus";
  return Math.abs(weight) === 1 ? sign : `${sign} ${sizeOf(weight)} times`;
}

/** `first`, `second`, …, `9th`, `10th`. */
export function ordinal(number: number): string {
  return ORDINALS[number - 1] ?? nth(number);
}

/** `1st`, `2nd`, `3rd`, `11th`. */
export function nth(number: number): string {
  const teen = number % 100 > 10 && number % 100 < 14;
  return `${number}${(!teen && ["th", "st", "nd", "rd"][number % 10]) || "th"}`;
}

/** `second caption`; `caption` where there is no other. */
export function titleOf(noun: string, { number, count }: Standing): string {
  return count > 1 ? `${ordinal(number)} ${noun}` : noun;
}

/** `/2`: which of several a panel is, for `data-shown`. */
export function shownTitle({ number, count }: Standing): string {
  return count > 1 ? `/${number}` : "";
}

/** `Caption 1 of 2, minus`: a panel for those who listen. */
export function spokenTitle(noun: string, { number, count, weight, summed }: Standing): string {
  const name = noun.charAt(0).toUpperCase() + noun.slice(1);
  const place = count > 1 ? ` ${number} of ${count}` : "";
  return `${name}${place}${summed ? `, ${weightSpoken(weight)}` : ""}`;
}

/** How the panels of both sides are told from each other. */
export function standingsOf(
  sides: readonly (readonly AnyPanel[])[],
): readonly (readonly Standing[])[] {
  const counts = new Map<string, number>();
  for (const { kind } of sides.flat()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const seen = new Map<string, number>();
  return sides.map((panels) => {
    const summed = panels.length > 1 || panels.some(({ weight }) => weight !== 1);
    return panels.map(({ kind, weight }) => {
      const number = (seen.get(kind) ?? 0) + 1;
      seen.set(kind, number);
      return { number, count: counts.get(kind) ?? 1, weight, summed };
    });
  });
}
