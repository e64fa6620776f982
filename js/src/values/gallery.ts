/** What a gallery shows, what is chosen in it, and how it says so. */

import { fixed, plural, signed } from "./format";
import type { Bytes } from "./shapes";

/** An item's place in a gallery: its shelf and its number there, both from 0. */
export type Place = [shelf: number, item: number];

export interface ItemState {
  name: string;
  /** Null where there is no number. */
  score: number | null;
  /** Shown in place of a picture. */
  text: string;
  note: string;
  marked: boolean;
  /** Whether it is a picture, of which there is a thumbnail. */
  pictured: boolean;
  /** Its place in the whole, where the shelf shows a part; counted from 1. */
  place: number;
}

export interface ShelfState {
  title: string;
  items: ItemState[];
}

/** Thumbnails by the names that `keyOf` gives. */
export type ThumbnailStates = Record<string, Bytes>;

export function keyOf([shelf, item]: Place): string {
  return `${shelf}/${item}`;
}

export function samePlace(one: Place | undefined, other: Place | undefined): boolean {
  return one?.[0] === other?.[0] && one?.[1] === other?.[1];
}

/**
 * What is chosen after a click: the item alone, or a further one beside the first. One that is
 * chosen already is let go of by a further click.
 */
export function choose(
  chosen: readonly Place[],
  place: Place,
  further: boolean,
  most: number,
): Place[] {
  if (!further || most < 2 || chosen.length === 0) return [place];
  const others = chosen.filter((other) => !samePlace(other, place));
  if (others.length < chosen.length) return others.length > 0 ? others : [place];
  return [...others.slice(0, most - 1), place];
}

/** The items that are there of what is chosen, and no more than may be. */
export function existing(
  chosen: readonly (readonly number[])[],
  shelves: readonly ShelfState[],
  most: number,
): Place[] {
  return chosen
    .flatMap(([shelf = -1, item = -1]) =>
      shelves[shelf]?.items[item] ? [[shelf, item] as Place] : [],
    )
    .slice(0, most);
}

/** Where a key leads from an item, `across` of which stand in a row; undefined for other keys. */
export function step(key: string, from: number, count: number, across: number): number | undefined {
  const to = {
    ArrowLeft: from - 1,
    ArrowRight: from + 1,
    ArrowUp: from - across,
    ArrowDown: from + across,
    PageUp: from - 3 * across,
    PageDown: from + 3 * across,
    Home: 0,
    End: count - 1,
  }[key];
  if (to === undefined) return undefined;
  // The end of a row that is not full is as far as one comes.
  if (key === "ArrowUp" && to < 0) return from;
  return Math.min(Math.max(to, 0), count - 1);
}

/** A score as it stands beside an item. */
export function scoreText(score: number | null): string {
  return score === null ? "–" : fixed(score, 3);
}

/** What stands for an item in a sentence: its text in quotes, or its name. */
export function nameOf(item: ItemState): string {
  return item.pictured ? item.name : `“${item.text || item.name}”`;
}

/** The least and the largest score, or null where there are not two. */
export function rangeOf(items: readonly ItemState[]): [least: number, most: number] | null {
  const scores = items.flatMap(({ score }) => score ?? []);
  return scores.length < 2 ? null : [Math.min(...scores), Math.max(...scores)];
}

/** How many there are, and between which scores they lie. */
export function extentOf(items: readonly ItemState[]): string {
  const noun = items.every(({ pictured }) => pictured) ? "picture" : "caption";
  const range = rangeOf(items);
  const count = plural(items.length, noun);
  if (!range) return count;
  return `${count}, scores from ${scoreText(range[1])} to ${scoreText(range[0])}`;
}

/** How far a score lies between the least and the largest, from 0 to 1. */
export function shareOf(score: number | null, range: [least: number, most: number] | null): number {
  if (score === null || !range || range[1] <= range[0]) return 1;
  return (score - range[0]) / (range[1] - range[0]);
}

/** How the scores of two items differ, such as `0.312 − 0.250 = +0.062`. */
export function differenceOf(first: ItemState, second: ItemState): string {
  if (first.score === null || second.score === null) return "";
  const less = second.score < 0 ? `(${scoreText(second.score)})` : scoreText(second.score);
  return `${scoreText(first.score)} − ${less} = ${signed(first.score - second.score)}`;
}
