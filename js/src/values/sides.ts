/** The two sides of an explanation: panels, their features, and how these are called. */

import type { AnyPanel, PanelState } from "./shapes";
import { total } from "./sums";
import type { Standing } from "./weights";

/** A side by its number: features of side 0 are the rows of the matrix, those of 1 its columns. */
export type SideIndex = 0 | 1;
/** Something of each side. */
export type Both<T> = readonly [first: T, second: T];

export const SIDES = [0, 1] as const;

export function otherThan(side: SideIndex): SideIndex {
  return side === 0 ? 1 : 0;
}

export function both<T>(make: (side: SideIndex) => T): Both<T> {
  return [make(0), make(1)];
}

/** Features that are pointed at and named as one. */
export interface Group {
  /** Numbers of its features on its side. */
  readonly features: readonly number[];
  readonly name: string;
  /** The name is made of these: what it says, which of equal ones of its panel, whose it is. */
  readonly text: string;
  readonly which: string;
  readonly whose: string;
  readonly special: boolean;
  /** Whether it is one of the strongest pairs' candidates. */
  readonly listed: boolean;
}

/** How a kind of panel calls what it shows. */
export interface PanelWords {
  /** What one panel is: `caption`. */
  readonly noun: string;
  /** One feature, and one group that is not special. */
  readonly feature: string;
  readonly group: string;
  /** All groups that are not special: `words`. */
  readonly all: string;
  /** What it belongs to, with its article. */
  readonly whole: string;
  /** What the pointer hovers and what it drags over: `a word` and `a phrase`. */
  readonly hovered: string;
  readonly dragged: string;
}

export type ScaleKind = "sums" | "singles";

/** A panel as the pure parts of a view know it; each kind makes its own. */
export interface Panel {
  readonly state: AnyPanel;
  readonly side: SideIndex;
  /** Number of its first feature on its side. */
  readonly first: number;
  /** How it is told from others of its kind. */
  readonly standing: Standing;
  readonly groups: readonly Group[];
  /** Special groups that the panel has no place for; the legend shows them. */
  readonly aside: readonly Group[];
  readonly words: PanelWords;
  /** Whether one colour scale is for the sums of groups, or for single features. */
  readonly scale: ScaleKind;
  /** Whether the level of detail makes a difference. */
  readonly divided: boolean;
  /** How a choice of its features is called; `joint`: beside a choice on the other side. */
  name(features: readonly number[], joint: boolean): string;
  /** How many these are, in few words. */
  tally(features: readonly number[]): string;
  /** How a group is called inside a sentence. */
  cite(group: Group): string;
  /** What has to be said of a choice; `""` where nothing has. */
  remark(features: readonly number[]): string;
  /** A choice for `data-shown`: what is chosen, and the numbers of these features. */
  shown(features: readonly number[]): string[];
}

/** A part of a sum: what it is called, and multiplied by. */
export interface SumPart {
  readonly title: string;
  readonly weight: number;
}

export interface Side {
  readonly panels: readonly Panel[];
  /** The parts of the sum that it is, which are its panels unless these are folded. */
  readonly parts: readonly SumPart[];
  /** Whether its words can be folded, and are. */
  readonly fold: "possible" | "folded" | null;
  readonly groups: readonly Group[];
  /** For each feature, whether it is special. */
  readonly special: readonly boolean[];
  /** Numbers of the features that are not special. */
  readonly ordinary: readonly number[];
}

export function sideOf(
  panels: readonly Panel[],
  parts: readonly SumPart[],
  fold: Side["fold"] = null,
): Side {
  const special = specialOf(panels.map(({ state }) => state));
  return {
    panels,
    parts,
    fold,
    groups: panels.flatMap(({ groups }) => groups),
    special,
    ordinary: ordinaryOf(special),
  };
}

/** For each feature of a side, whether it is special. */
export function specialOf(panels: readonly PanelState[]): boolean[] {
  return panels.flatMap(({ features, special }) => {
    const flags = new Array<boolean>(features).fill(false);
    for (const feature of special) if (feature < features) flags[feature] = true;
    return flags;
  });
}

export function ordinaryOf(special: readonly boolean[]): number[] {
  return special.flatMap((isSpecial, feature) => (isSpecial ? [] : [feature]));
}

/** Sum of each group's values; NaN where one of them is missing. */
export function sumsOf(groups: readonly Group[], values: Float64Array): Float64Array {
  return Float64Array.from(groups, ({ features }) => sumAt(features, values));
}

export function sumAt(features: readonly number[], values: ArrayLike<number>): number {
  return total(features.map((feature) => values[feature] ?? Number.NaN));
}

export function nameOf(side: Side, features: readonly number[], joint: boolean): string {
  return each(side, features, (panel, own) => panel.name(own, joint)).join(" and ");
}

export function tallyOf(side: Side, features: readonly number[]): string {
  return each(side, features, (panel, own) => panel.tally(own)).join(" and ");
}

export function remarkOf(side: Side, features: readonly number[]): string {
  return each(side, features, (panel, own) => panel.remark(own)).join(" · ");
}

export function shownOf(side: Side, features: readonly number[]): string[] {
  return each(side, features, (panel, own) => panel.shown(own)).flat();
}

/** A word of the side's panels; of several kinds, each once. */
export function wordOf(side: Side, word: keyof PanelWords, separator = " and "): string {
  return [...new Set(side.panels.map(({ words }) => words[word]))].join(separator);
}

export function citeOf(side: Side, group: Group): string {
  const panel = side.panels.find(({ groups }) => groups.includes(group));
  return panel?.cite(group) ?? group.name;
}

/** Whether its text or picture can be changed in the view: only a caption and a picture can. */
export function isEditable(sides: Both<Side>): boolean {
  const kinds = sides.map(({ panels }) => panels.map(({ state }) => state.kind).join());
  return kinds.join() === "sentence,picture";
}

/** Whether a side is a sum of which parts are taken away. */
export function isDifference({ parts }: Side): boolean {
  return parts.some(({ weight }) => weight < 0);
}

function each<T>(
  side: Side,
  features: readonly number[],
  say: (panel: Panel, own: readonly number[]) => T,
): T[] {
  return side.panels.flatMap((panel) => {
    const stop = panel.first + panel.state.features;
    const own = features.filter((feature) => feature >= panel.first && feature < stop);
    const said = own.length > 0 ? say(panel, own) : "";
    return said === "" ? [] : [said as T];
  });
}
