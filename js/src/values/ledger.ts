/** The ledger as a waterfall: signed steps that begin at zero and end at the similarity. Pure. */

import { decimalsFor, fixed, isNothing, listed, plain, plural } from "./format";
import type { Pairs } from "./pairs";
import { HALVES, type Half, MEANINGS } from "./parts";
import type { AnyPanel, LedgerState, LedgerTermState } from "./shapes";
import { type Both, both, otherThan, type Side, type SideIndex, sumAt, wordOf } from "./sides";
import { largest, total } from "./sums";
import { standingsOf, titleOf } from "./weights";

/** Share of what the parts amount to, that a residual may have: beyond it nothing is explained. */
export const TOLERATED = 0.5;

/** Whether a ledger's parts make up the similarity, but for an error. */
export function addsUp(ledger: LedgerState): boolean {
  const { pairs, rows_only, columns_only, baseline, left_out, residual } = ledger;
  const parts = [pairs, rows_only, columns_only, baseline, left_out ?? 0];
  const size = parts.reduce((sum, part) => sum + Math.abs(part), 0);
  return Math.abs(residual) <= TOLERATED * size;
}

/** What there is to say of a ledger whose parts are no parts. */
export function doesNotAddUp({ pairs, residual }: LedgerState): string {
  return (
    "The pairs of this method do not add up to the similarity: their sum is " +
    `${plain(pairs)}, which leaves ${plain(residual)}.`
  );
}

export interface Addend {
  readonly name: string;
  readonly value: number;
}

/** A step of the waterfall. */
export interface Step {
  /**
   * Pairs are one step, or two: those of special positions have their own; or their parts have,
   * where a head makes the score.
   */
  readonly key: keyof LedgerTermState | "special" | Half;
  readonly name: string;
  readonly value: number;
  /** Where the sum stands before it and after it. */
  readonly start: number;
  readonly stop: number;
  /** How far the sum rises and falls within it, where some of its addends cancel others. */
  readonly up: number;
  readonly down: number;
  /** What it is made of, where that is known. */
  readonly addends: readonly Addend[];
  /** What it is, in plain words. */
  readonly explanation: string;
}

export interface Waterfall {
  readonly steps: readonly Step[];
  /** Where it ends: the similarity. */
  readonly end: number;
  /** The lowest and the highest that the sum comes to; zero is never outside. */
  readonly low: number;
  readonly high: number;
  /** How many decimals its numbers need. */
  readonly decimals: number;
}

/** The inputs of both sides, each a part of its side. */
type Inputs = Both<readonly AnyPanel[]>;

/** How the ledger calls an input. */
const NOUNS = { sentence: "caption", picture: "image" } satisfies Record<AnyPanel["kind"], string>;

/** What the steps of pairs are made of: the pairs themselves, and of a head's score their parts. */
export type PairsOf = (part: "" | Half) => Pairs;

/** Steps add up to the similarity, but for what is too small to be read. */
export function waterfall(
  ledger: LedgerState,
  inputs: Inputs,
  sides: Both<Side>,
  pairsOf: PairsOf,
): Waterfall {
  const whole =
    halfSteps(ledger, inputs, sides, pairsOf) ?? pairSteps(ledger, inputs, sides, pairsOf(""));
  const alone = REST.map(
    (key): Planned => ({ key, value: ledger[key] ?? 0, addends: termsOf(ledger, inputs, key) }),
  );
  const all = [...whole, ...alone];
  const sizes = largest([ledger.similarity, ...all.map(({ value }) => value)]);
  const decimals = decimalsFor(ledger.similarity, sizes);
  const shown = all.filter(
    ({ key, value }) =>
      !(key === "residual" || key === "left_out") || Number(Math.abs(value).toFixed(decimals)) > 0,
  );
  let [low, high, at] = [Math.min(ledger.similarity, 0), Math.max(ledger.similarity, 0), 0];
  const steps = shown.map(({ key, value, name, addends }): Step => {
    const [up, down] = excursion(addends, value, decimals);
    const [start, stop] = [at, at + value];
    low = Math.min(low, stop);
    high = Math.max(high, stop, start + up);
    at = stop;
    const said = {
      name: name ?? ((key === "left_out" && ledger.left_out_name) || nameOf(key, inputs)),
      explanation: explain(key, inputs, sides),
    };
    return { key, value, start, stop, up, down, addends: few(addends), ...said };
  });
  return { steps, end: ledger.similarity, low, high, decimals };
}

/** `“first caption +0.21 · second caption −0.20 = +0.01”`: what a step is made of. */
export function madeOf({ addends, value }: Step, decimals: number): string {
  if (addends.length < 2) return "";
  const parts = addends.map((one) => `${one.name} ${fixed(one.value, decimals, true)}`);
  return `${parts.join(" · ")} = ${fixed(value, decimals, true)}`;
}

const REST = ["rows_only", "columns_only", "baseline", "left_out", "residual"] as const;

/** Whether the pairs are the sum of both parts, of which neither was left out. */
function isWhole({ pairs, match, routing }: LedgerState): boolean {
  const [one, other] = [match ?? Number.NaN, routing ?? Number.NaN];
  return Math.abs(one + other - pairs) < 1e-3 * Math.max(1, Math.abs(pairs));
}

/** Match and routing as two steps, where a head makes the score. */
function halfSteps(
  ledger: LedgerState,
  inputs: Inputs,
  sides: Both<Side>,
  pairsOf: PairsOf,
): Planned[] | null {
  if (!isWhole(ledger)) return null;
  return HALVES.map((key) => ({
    key,
    value: ledger[key] ?? 0,
    addends: addendsOf(inputs, sides, pairsOf(key)),
  }));
}

/** What pairs are made of: parts of sums, or of single inputs what is special and what is not. */
function addendsOf(inputs: Inputs, sides: Both<Side>, pairs: Pairs): Addend[] {
  if (!pairs.complete) return [];
  if (inputs.flat().length > 2) return partAddends(inputs, pairs, allOfEach);
  const [ordinary] = partAddends(inputs, pairs, ordinaryOfEach);
  const special = specialAddends(sides, pairs);
  if (!ordinary || special.length === 0) return [];
  const name = both((side) => wordOf(sides[side], "all")).join(" × ");
  return [{ name, value: ordinary.value }, ...special];
}

interface Planned {
  readonly key: Step["key"];
  readonly value: number;
  readonly addends: readonly Addend[];
  readonly name?: string;
}

/** How far addends of both signs lead; nothing where they do not cancel as far as can be read. */
function excursion(all: readonly Addend[], value: number, decimals: number): Both<number> {
  const values = all.map((one) => one.value);
  const up = total(values.filter((one) => one > 0));
  const cancelled = Math.min(up, up - value);
  return cancelled >= 0.5 * 10 ** -decimals ? [up, value - up] : [0, 0];
}

const MOST_ADDENDS = 4;

/** Addends one by one or, where there are many, by their signs. */
function few(all: readonly Addend[]): readonly Addend[] {
  if (all.length <= MOST_ADDENDS) return all;
  return ([1, -1] as const).flatMap((sign) => {
    const some = all.filter(({ value }) => sign * value > 0).map(({ value }) => value);
    const name = `${plural(some.length, "part")} ${sign > 0 ? "for" : "against"}`;
    return some.length > 0 ? [{ name, value: total(some) }] : [];
  });
}

/**
 * What is at words and patches is one step, and what is at special positions another, as soon as
 * all rows are there and something is at special positions.
 */
function pairSteps(
  ledger: LedgerState,
  inputs: Inputs,
  sides: Both<Side>,
  pairs: Pairs,
): Planned[] {
  const one: Planned = {
    key: "pairs",
    value: ledger.pairs,
    addends: termsOf(ledger, inputs, "pairs"),
  };
  if (!pairs.complete) return [one];
  const ordinary = partAddends(inputs, pairs, ordinaryOfEach);
  const special = specialAddends(sides, pairs);
  const value = total(ordinary.map((each) => each.value));
  const rest = total(special.map((each) => each.value));
  const known = Math.abs(value + rest - ledger.pairs) < 1e-3 * Math.max(1, Math.abs(ledger.pairs));
  const [only] = special;
  if (!known || only === undefined) return [one];
  const names = both((side) => wordOf(sides[side], "all"));
  return [
    { key: "pairs", name: names.join(" × "), value: ledger.pairs - rest, addends: ordinary },
    {
      key: "special",
      name: special.length === 1 ? only.name : nameOf("special", inputs),
      value: rest,
      addends: special,
    },
  ];
}

/** Pairs of features of each part of one side with those of each part of the other. */
function partAddends(
  inputs: Inputs,
  pairs: Pairs,
  ofEach: (parts: readonly AnyPanel[]) => number[][],
): Addend[] {
  const [rows, columns] = both((side) => ofEach(inputs[side]));
  return rows.flatMap((row, r) => {
    const values = pairs.along(0, row);
    return columns.map((column, c) => ({
      name: partsName(inputs, r, c),
      value: sumAt(column, values),
    }));
  });
}

/** For each part of a side, its features. */
function allOfEach(parts: readonly AnyPanel[]): number[][] {
  let first = 0;
  return parts.map(({ features }) => {
    first += features;
    return Array.from({ length: features }, (_, i) => first - features + i);
  });
}

/** For each part of a side, its features that are not special. */
function ordinaryOfEach(parts: readonly AnyPanel[]): number[][] {
  return allOfEach(parts).map((own, index) => {
    const among = new Set(parts[index]?.special);
    return own.filter((_, i) => !among.has(i));
  });
}

/** Pairs in which something is special, by what stands on their two sides. */
function specialAddends([rows, columns]: Both<Side>, pairs: Pairs): Addend[] {
  const addends: Addend[] = [];
  for (const first of halves(rows)) {
    const values = pairs.along(0, first.features);
    for (const second of halves(columns)) {
      const value = sumAt(second.features, values);
      if (isNothing(value) || !(first.special || second.special)) continue;
      addends.push({ name: `${first.name} × ${second.name}`, value });
    }
  }
  return addends;
}

const MOST_NAMES = 2; // special positions that are named one by one

/** What is special on a side, and what is not. */
function halves(side: Side) {
  const special = side.groups.filter((group) => group.special);
  const names = [...new Set(special.map(({ text }) => text))];
  return [
    { special: false, name: wordOf(side, "all"), features: side.ordinary },
    {
      special: true,
      name: names.length <= MOST_NAMES ? listed(names) : "special positions",
      features: special.flatMap(({ features }) => features),
    },
  ];
}

/** A part of the ledger by the parts of the two sides. */
function termsOf({ terms }: LedgerState, inputs: Inputs, key: keyof LedgerTermState): Addend[] {
  const columns = inputs[1].length;
  return terms.map((term, i) => ({
    name: partsName(inputs, Math.floor(i / columns), i % columns),
    value: term[key] ?? 0,
  }));
}

/** `first caption × second image`, of sides that have several parts; `""` where none has. */
export function partsName(inputs: Inputs, row: number, column: number): string {
  const standings = standingsOf(inputs);
  const name = (side: SideIndex, index: number): string => {
    const [input, standing] = [inputs[side][index], standings[side]?.[index]];
    return input && standing ? titleOf(NOUNS[input.kind], standing) : `part ${index + 1}`;
  };
  const names: string[] = [];
  if (inputs[0].length > 1) names.push(name(0, row));
  if (inputs[1].length > 1) names.push(name(1, column));
  return names.join(" × ");
}

/** `caption`, `first image`, `captions`, `second side`: how a side is called. */
function sideName(inputs: Inputs, side: SideIndex): string {
  const kinds = new Set(inputs[side].map(({ kind }) => kind));
  const [kind] = kinds;
  const place = side === 0 ? "first" : "second";
  if (kinds.size !== 1 || kind === undefined) return `${place} side`;
  const name = inputs[side].length > 1 ? `${NOUNS[kind]}s` : NOUNS[kind];
  const twice = inputs[otherThan(side)].some((other) => other.kind === kind);
  return twice ? `${place} ${name}` : name;
}

function nameOf(key: Step["key"], inputs: Inputs): string {
  if (key === "rows_only") return `${sideName(inputs, 0)} alone`;
  if (key === "columns_only") return `${sideName(inputs, 1)} alone`;
  return key === "special" ? "special positions" : key;
}

function explain(key: Step["key"], inputs: Inputs, sides: Both<Side>): string {
  const [first, second] = both((side) => `the ${sideName(inputs, side)}`);
  const [some, others] = both((side) => wordOf(sides[side], "all"));
  const changes = (side: SideIndex) => (inputs[side].length > 1 ? "change" : "changes");
  switch (key) {
    case "pairs":
      return `What ${some} and ${others} add together. Every number that hovering shows is a share of it.`;
    case "special":
      return "Pairs with positions that the model adds by itself, such as CLS: no words and no patches, but read like them.";
    case "match":
    case "routing":
      return `A part of the pairs: ${MEANINGS[key]}. Match and routing make up the pairs.`;
    case "left_out":
      return `What ${first} and ${second} do together beyond the pairs: this reading leaves it out.`;
    case "rows_only":
      return `What ${first} ${changes(0)} by itself, with a reference that says nothing in place of ${second}.`;
    case "columns_only":
      return `What ${second} ${changes(1)} by itself, with a reference that says nothing in place of ${first}.`;
    case "baseline":
      return "What two references that say nothing score with each other, before anything is read or seen.";
    default:
      return "What the other steps leave over: the error of numerical integration, or what the pairs of this method do not explain.";
  }
}
