/** Says in words what is being looked at. Pure. */

import { isNothing, plural, signed } from "./format";
import type { Look } from "./look";
import { partInLine, partSentence } from "./parts";
import {
  type Both,
  citeOf,
  isDifference,
  nameOf,
  otherThan,
  remarkOf,
  SIDES,
  type Side,
  type SideIndex,
  sumAt,
  sumsOf,
  wordOf,
} from "./sides";
import { total } from "./sums";

/** A piece of the line; `kind` sets how loud it is, and `news` change by themselves. */
export interface Piece {
  text: string;
  kind?: "name" | "value" | "aside" | "news";
}

export interface LineInput {
  sides: Both<Side>;
  look: Look;
  /** Why rows are missing, in words that begin with `not computed`; or that they are on their way. */
  why: string;
  /** The part of the pairs that is shown; empty for the pairs themselves. */
  part: string;
  /** Whether the view was ever touched. */
  touched: boolean;
  /** Whether missing rows are on their way. */
  computing: boolean;
  /** Number of rows that are missing altogether. */
  missing: number;
  /** What Python is doing. */
  news: string;
}

function idle({ sides, missing, computing, why, news, look, touched, part }: LineInput): Piece[] {
  if (news) return [{ text: news, kind: "news" }];
  if (missing === 0 || computing) {
    const either = (word: "hovered" | "dragged") =>
      [...new Set(sides.map((side) => wordOf(side, word, " or ")))].join(" or ");
    const hint = touched
      ? `Tap ${either("hovered")}. Press long, or tap twice, and drag to pin ${either("dragged")}.`
      : `Hover ${either("hovered")}. Drag to pin ${either("dragged")}; Escape clears.`;
    const pieces: Piece[] = part
      ? partAndSum(part, total(look.sides[0].values))
      : [{ text: hint, kind: "aside" }];
    const meaning = favour(sides, 1);
    return meaning ? [...pieces, { text: ` Red is ${meaning}.` }] : pieces;
  }
  const all = look.sides[0].values.length;
  const when = why.slice("not computed".length);
  const rows = plural(all, wordOf(sides[0], "feature"));
  const text =
    missing === all
      ? `No values were computed${when}.`
      : `${missing} of ${rows} ${missing === 1 ? "was" : "were"} not computed${when}.`;
  return [{ text, kind: "aside" }];
}

/** `Match: what the words meet … +0.123 in all.`; the sum once it is there. */
function partAndSum(part: string, sum: number): Piece[] {
  const pieces: Piece[] = [{ text: partSentence(part) }];
  if (Number.isNaN(sum)) return pieces;
  return [...pieces, { text: ` ${signed(sum)}`, kind: "value" }, { text: " in all." }];
}

/**
 * What a value of a sign speaks for, where a side is a difference: `for the first caption against
 * the second`; `""` where none is.
 */
export function favour(sides: Both<Side>, sign: number): string {
  const [one, other] = sides.filter(isDifference);
  if (one === undefined || sign === 0) return "";
  const said = `for ${against(one, sign)}`;
  return other ? `${said}, in ${against(other, 1)}` : said;
}

/** `the first caption against the second`: the parts of a sign, and the others. */
function against({ parts }: Side, sign: number): string {
  const named = (sign: number, others: boolean) => {
    const of = parts.filter(({ weight }) => weight * sign > 0);
    if (of.length === 1 && of[0]) return `the ${of[0].title}`;
    if (others) return "the others";
    return of.length > 0 ? `what is ${sign > 0 ? "added" : "taken away"}` : "nothing";
  };
  const few = (sign: number) => parts.filter(({ weight }) => weight * sign > 0).length === 1;
  const [first, second] = [named(sign, few(-sign)), named(-sign, few(sign))];
  const noun = first.slice(first.lastIndexOf(" "));
  const short = second.endsWith(noun) ? second.slice(0, -noun.length) : second;
  return `${first} against ${short}`;
}

interface Addend {
  name: string;
  value: number;
}

const MOST_ADDENDS = 2; // special positions that are named one by one

/** Special positions that add something, one by one or, where there are many, together. */
function addends(all: readonly Addend[]): Addend[] {
  const some = all.filter(({ value }) => !isNothing(value));
  if (some.length <= MOST_ADDENDS) return some;
  const value = total(some.map((one) => one.value));
  return [{ name: `${some.length} special positions`, value }];
}

/** `−0.092 · CLS +0.167 · together +0.075`: a value, and what special positions add to it. */
function sum(value: number, others: readonly Addend[]): Piece[] {
  const pieces: Piece[] = [{ text: signed(value), kind: "value" }];
  if (others.length === 0) return pieces;
  for (const other of others) {
    pieces.push({ text: " · " }, { text: other.name, kind: "name" });
    pieces.push({ text: ` ${signed(other.value)}` });
  }
  const together = value + total(others.map((other) => other.value));
  pieces.push({ text: " · together " }, { text: signed(together), kind: "value" });
  return pieces;
}

export function line(input: LineInput): Piece[] {
  const { sides, look, news, part } = input;
  const chosen = SIDES.filter((side) => look.sides[side].chosen.length > 0);
  const [subject] = chosen;
  if (subject === undefined) return idle(input);

  const object = otherThan(subject);
  const joint = chosen.length === 2;
  const name = (side: SideIndex) => nameOf(sides[side], look.sides[side].chosen, joint);
  const other: Piece = joint
    ? { text: name(object), kind: "name" }
    : { text: `all ${wordOf(sides[object], "all")}` };
  const head: Piece[] = [{ text: name(subject), kind: "name" }, { text: " × " }, other];
  if (part) head.push({ text: partInLine(part) });
  head.push({ text: ": " });

  const value = joint
    ? sumAt(look.sides[subject].chosen, look.sides[subject].values)
    : total(look.sides[object].values);
  if (Number.isNaN(value)) {
    head.push({ text: input.why, kind: "aside" });
    return news ? [...head, { text: ` · ${news}`, kind: "news" }] : head;
  }
  const pieces = joint ? together(input, value) : alone(input, subject);
  const meaning = isNothing(value) ? "" : favour(sides, Math.sign(value));
  if (meaning) pieces.splice(1, 0, { text: ` ${meaning}`, kind: "aside" });
  return [...head, ...pieces];
}

/** Choices on both sides. */
function together({ sides, look }: LineInput, value: number): Piece[] {
  const pieces: Piece[] = [{ text: signed(value), kind: "value" }];
  const whole = sumAt(sides[1].ordinary, look.sides[1].values);
  if (!Number.isNaN(whole)) {
    pieces.push({ text: ` · all ${wordOf(sides[1], "all")} ${signed(whole)}`, kind: "aside" });
  }
  return pieces;
}

/** A choice on one side alone: what it has with all of the other, and with what is special there. */
function alone({ sides, look }: LineInput, subject: SideIndex): Piece[] {
  const object = otherThan(subject);
  const side = sides[object];
  const { values } = look.sides[object];
  const sums = sumsOf(side.groups, values);
  const special = side.groups
    .map((group, i) => ({ name: group.name, value: sums[i] ?? 0, special: group.special }))
    .filter((group) => group.special);
  const pieces = sum(sumAt(side.ordinary, values), addends(special));
  const remark = remarkOf(sides[subject], look.sides[subject].chosen);
  // Where such a choice is strongest says nothing.
  if (remark) return [...pieces, { text: ` · ${remark}`, kind: "aside" }];
  const best = strongest(sums.map((value, i) => (side.groups[i]?.special ? 0 : value)));
  const group = side.groups[best];
  if (!group) return pieces;
  pieces.push({ text: ` · strongest ${wordOf(side, "group", " or ")} ` });
  pieces.push({ text: citeOf(side, group), kind: "name" });
  return [...pieces, { text: `: ${signed(sums[best] ?? 0)}` }];
}

/** Index of the largest magnitude; -1 where all are zero. */
function strongest(values: Float64Array): number {
  let best = -1;
  let size = 0;
  values.forEach((value, i) => {
    if (Math.abs(value) > size) [best, size] = [i, Math.abs(value)];
  });
  return best;
}
