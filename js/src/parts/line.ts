/** Says in words what is being looked at. Pure. */

import { type Absence, WHY } from "../model/liveness";
import type { Subject } from "../model/store";
import { isNothing, plural, signed } from "../values/format";
import { addsUp, ledgerBar } from "../values/ledger";
import type { Pairs } from "../values/pairs";
import { patchName } from "../values/region";
import type { LedgerState } from "../values/shapes";
import { total } from "../values/sums";
import { listed, nameOf } from "../values/words";
import type { Focus, Look } from "./look";

/** A piece of the line; `kind` sets how loud it is, and `news` change by themselves. */
export interface Piece {
  text: string;
  kind?: "name" | "value" | "aside" | "news";
}

export interface LineInput {
  subject: Subject;
  look: Look;
  ledger: LedgerState | null;
  /** What the ledger's pairs are made of; see `splitOf`. */
  split: readonly Addend[];
  /** The part of the ledger that explains itself. */
  explained: keyof LedgerState | null;
  absence: Absence;
  /** Number of rows that are missing altogether. */
  missing: number;
  /** What Python is doing. */
  news: string;
}

export function imageName(focus: Focus, subject: Subject, joint: boolean): string {
  const { patches, specials } = focus;
  const names = specials.map((i) => subject.specials[i] ?? "");
  const [only] = patches;
  if (patches.length === 1 && only !== undefined) {
    names.push(`patch ${patchName(only, subject.grid)}`);
  } else if (patches.length > 1) {
    names.push(joint ? `${patches.length} patches` : `region of ${patches.length} patches`);
  }
  return names.join(" and ");
}

function idle({ missing, absence, look, news }: LineInput): Piece[] {
  if (news) return [{ text: news, kind: "news" }];
  const hint = "Hover a word or a patch. Drag to pin a phrase or a region; Escape clears.";
  if (missing === 0 || absence === "computing") return [{ text: hint, kind: "aside" }];
  const all = look.values.length;
  const when = WHY[absence].slice("not computed".length);
  const text =
    missing === all
      ? `No values were computed${when}.`
      : `${missing} of ${plural(all, "token")} ${missing === 1 ? "was" : "were"} not computed${when}.`;
  return [{ text, kind: "aside" }];
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

/** A part of the ledger in words; nothing where no part is asked about. */
function explanation({ ledger, explained, split }: LineInput): Piece[] {
  const { segments } = ledger && addsUp(ledger) ? ledgerBar(ledger) : { segments: [] };
  const part = segments.find(({ key }) => key === explained);
  if (!part) return [];
  const said: Piece[] = [
    { text: part.name, kind: "name" },
    { text: ": " },
    { text: signed(part.value), kind: "value" },
  ];
  if (part.key === "pairs" && split.length > 1) {
    const parts = split.map(({ name, value }) => `${name} ${signed(value)}`);
    said.push({ text: ` = ${parts.join(" · ")}` });
  }
  return [...said, { text: ` · ${part.explanation}`, kind: "aside" }];
}

/** All pairs by what stands on their two sides: what is nothing is left out. */
export function splitOf({ sentence, tokens, specials: names }: Subject, pairs: Pairs): Addend[] {
  if (!pairs.complete) return [];
  const texts = sentence.chips.filter(({ kind }) => kind === "special");
  const named = (all: readonly string[]) =>
    all.length <= MOST_ADDENDS ? listed(all) : "special positions";
  const sides = [
    ["words", tokens.flatMap(({ special }, token) => (special ? [] : [token]))],
    [named(texts.map(({ text }) => text)), texts.flatMap((chip) => chip.tokens)],
  ] as const;
  return sides
    .flatMap(([name, members]) => {
      const map = pairs.map(members);
      return [
        { name: `${name} × patches`, value: map ? total(map) : 0 },
        { name: `${name} × ${named(names)}`, value: total(pairs.specialsOf(members)) },
      ];
    })
    .filter(({ value }) => !isNothing(value));
}

export function line(input: LineInput): Piece[] {
  const { subject, look, absence, news } = input;
  const { focus, values } = look;
  const explained = explanation(input);
  if (explained.length > 0) return explained;
  const words = focus.tokens.length > 0;
  if (!words && !look.column) return idle(input);

  const text = words ? nameOf(focus.tokens, subject.sentence, subject.tokens) : "all words";
  const image = look.column ? imageName(focus, subject, words) : "all patches";
  const name = (text: string, chosen: boolean): Piece =>
    chosen ? { text, kind: "name" } : { text };
  const head = words
    ? [name(text, true), { text: " × " }, name(image, look.column), { text: ": " }]
    : [name(image, true), { text: " × " }, name(text, false), { text: ": " }];

  const value = total(words ? focus.tokens.map((i) => values[i] ?? Number.NaN) : values);
  if (Number.isNaN(value)) {
    head.push({ text: WHY[absence], kind: "aside" });
    return news ? [...head, { text: ` · ${news}`, kind: "news" }] : head;
  }
  const said = words ? (look.column ? joint : row)(input, value) : column(input, value);
  return [...head, ...said];
}

/** Words and places that both are chosen. */
function joint({ look: { map } }: LineInput, value: number): Piece[] {
  const said: Piece[] = [{ text: signed(value), kind: "value" }];
  if (map) said.push({ text: ` · all patches ${signed(total(map))}`, kind: "aside" });
  return said;
}

/** Words alone: what they have with all patches, and with what is no patch. */
function row({ subject, look }: LineInput, value: number): Piece[] {
  const { map, specials, focus } = look;
  const others = addends(subject.specials.map((name, i) => ({ name, value: specials[i] ?? 0 })));
  const said = sum(map ? total(map) : value, others);
  if (focus.tokens.some((token) => subject.tokens[token]?.unknown)) {
    // Where an unknown word is strongest says nothing of the word.
    return [...said, { text: " · the model has never seen it", kind: "aside" }];
  }
  const best = map ? strongest(map) : -1;
  if (map && best >= 0) {
    said.push({ text: " · strongest patch " });
    said.push({ text: patchName(best, subject.grid), kind: "name" });
    said.push({ text: `: ${signed(map[best] ?? 0)}` });
  }
  return said;
}

/** Places alone: what they have with all words, and with tokens that are no words. */
function column({ subject, look }: LineInput, value: number): Piece[] {
  const { chips } = subject.sentence;
  const specials = chips
    .map(({ text, kind }, i) => ({ name: text, kind, value: look.chips[i] ?? 0 }))
    .filter(({ kind }) => kind === "special");
  const said = sum(value - total(specials.map((one) => one.value)), addends(specials));
  const spoken = look.chips.map((sum, i) => (chips[i]?.kind === "special" ? 0 : sum));
  const best = strongest(spoken);
  if (best < 0) return said;
  said.push({ text: " · strongest word " }, { text: `“${chips[best]?.text}”`, kind: "name" });
  return [...said, { text: `: ${signed(look.chips[best] ?? 0)}` }];
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
