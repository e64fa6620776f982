/** A text as a sentence of chips: words, punctuation marks and special tokens. */

import { CodePoints } from "./codepoints";
import { listed } from "./format";
import type { Level } from "./settings";
import type { FoldState, TokenState } from "./shapes";
import { nth } from "./weights";

export interface Chip {
  /** Indices of the tokens that make it up, in order. */
  tokens: number[];
  text: string;
  kind: "word" | "mark" | "special";
  /** Whether the tokenizer does not know a piece of it. */
  unknown: boolean;
  /** Text between the chip before and this one. */
  before: string;
}

export interface Sentence {
  chips: Chip[];
  /** Text after the last chip. */
  after: string;
  /** For each token, the index of its chip. */
  chipOf: number[];
}

const MARK = /^[\p{P}\p{S}]+$/u;
const PICTOGRAPH = /\p{Extended_Pictographic}/u;
const RUN = 3; // equal special tokens in a row that share one chip: padding

// Not what `trim` takes, of which Python's `strip` has another idea.
const BLANKS = /^\p{White_Space}+|\p{White_Space}+$/gu;
const BLANKS_AT_END = /\p{White_Space}+$/u;
const BLANK = "␣"; // a token that is nothing but a space

/** Tokens that belong together: those of one word, and long runs of one special token. */
function group(tokens: readonly TokenState[], level: Level): number[][] {
  const groups: number[][] = [];
  for (let i = 0; i < tokens.length; ) {
    let stop = i + 1;
    const first = tokens[i] as TokenState;
    const joins = (token: TokenState) =>
      first.special
        ? token.special && token.text === first.text
        : level === "words" && !token.special && first.word !== null && token.word === first.word;
    while (stop < tokens.length && joins(tokens[stop] as TokenState)) stop++;
    if (first.special && stop - i < RUN) stop = i + 1;
    groups.push(Array.from({ length: stop - i }, (_, k) => i + k));
    i = stop;
  }
  return groups;
}

/** Whether some word is made of several tokens, so that words and tokens differ. */
export function isDivided(tokens: readonly TokenState[]): boolean {
  return tokens.some(
    ({ word, special }, i) => i > 0 && !special && word !== null && tokens[i - 1]?.word === word,
  );
}

export function sentence(
  text: string,
  tokens: readonly TokenState[],
  level: Level = "words",
): Sentence {
  const points = new CodePoints(text);
  const chips: Chip[] = [];
  let cursor = 0;
  for (const members of group(tokens, level)) {
    const parts = members.map((i) => tokens[i] as TokenState);
    const written = parts.map((token) => token.text).join("");
    const previous = chips.at(-1);
    const space = previous ? " " : "";
    const first = parts[0] as TokenState;
    if (first.special) {
      const text = members.length < RUN ? first.text : `${first.text} ×${members.length}`;
      chips.push({ tokens: members, text, kind: "special", before: space, unknown: false });
      continue;
    }
    const starts = parts.flatMap((token) => token.start ?? []);
    const stops = parts.flatMap((token) => token.stop ?? []);
    let before = space;
    let text = "";
    if (starts.length > 0 && stops.length > 0) {
      const start = Math.max(cursor, Math.min(...starts));
      const stop = Math.max(start, ...stops);
      const whole = points.slice(start, stop);
      text = whole.replace(BLANKS, "");
      before = points.slice(cursor, start) + (text ? whole.slice(0, whole.indexOf(text)) : "");
      if (before === "" && previous?.kind === "special") before = space;
      cursor = Math.min(stop, points.length);
    }
    text ||= written || BLANK;
    const kind = MARK.test(text) && !PICTOGRAPH.test(text) ? "mark" : "word";
    const unknown = parts.some((token) => token.unknown);
    chips.push({ tokens: members, text, kind, before, unknown });
  }
  const chipOf: number[] = [];
  chips.forEach((chip, index) => {
    for (const token of chip.tokens) chipOf[token] = index;
  });
  const placed = tokens.some((token) => token.start !== null);
  return {
    chips,
    after: placed ? points.slice(cursor, points.length).replace(BLANKS_AT_END, "") : "",
    chipOf,
  };
}

/**
 * Several sentences as one: a chip for each fold. Tokens are those of all sentences, numbered one
 * after the other.
 */
export function folded(tokens: readonly TokenState[], folds: readonly FoldState[]): Sentence {
  const chips: Chip[] = [];
  for (let i = 0; i < folds.length; ) {
    const { name } = folds[i] as FoldState;
    const of = (index: number) => folds[index]?.features.flatMap((token) => tokens[token] ?? []);
    const special = (index: number) => of(index)?.every((token) => token.special) ?? false;
    let stop = i + 1;
    if (special(i)) while (folds[stop]?.name === name && special(stop)) stop++;
    if (stop - i < RUN) stop = i + 1;
    const mark = MARK.test(name) && !PICTOGRAPH.test(name);
    const kind = special(i) ? "special" : mark ? "mark" : "word";
    chips.push({
      tokens: folds.slice(i, stop).flatMap(({ features }) => features),
      text: stop - i > 1 ? `${name} ×${stop - i}` : name,
      kind,
      before: chips.length > 0 && kind !== "mark" ? " " : "",
      unknown: of(i)?.some((token) => token.unknown) ?? false,
    });
    i = stop;
  }
  const chipOf: number[] = [];
  chips.forEach((chip, index) => {
    for (const token of chip.tokens) chipOf[token] = index;
  });
  return { chips, after: "", chipOf };
}

const NAMED = 3; // unknown words that are named

/** Says which words the model does not know; nothing where there are none. */
export function neverSeen({ chips }: Sentence): string {
  const words = [...new Set(chips.filter(({ unknown }) => unknown).map(({ text }) => text))];
  if (words.length === 0) return "";
  const named = words.slice(0, NAMED).map((word) => `“${shorten(word)}”`);
  if (words.length > NAMED) named.push(`${words.length - NAMED} more`);
  const instead = words.length === 1 ? "that is an unknown word" : "they are one unknown word";
  return `The model has never seen ${listed(named)}: to it ${instead}.`;
}

/** `2nd`: which of several chips with the same text one is; nothing where it is the only one. */
export function whichOf({ chips }: Sentence, index: number): string {
  const text = chips[index]?.text;
  const same = chips.flatMap((chip, i) => (chip.text === text ? [i] : []));
  return same.length > 1 ? nth(same.indexOf(index) + 1) : "";
}

/**
 * How a set of tokens is called in a sentence: “dog”, “a red dog”, BOS, “dog” and “ball”, “a” (2nd).
 */
export function nameOf(
  tokens: readonly number[],
  subject: Sentence,
  all: readonly TokenState[],
): string {
  const { chips, chipOf } = subject;
  const selected = new Set(tokens);
  const touched = [...new Set(tokens.map((token) => chipOf[token] ?? 0))].sort((a, b) => a - b);
  const names: string[] = [];
  let quote = "";
  let which = "";
  const flush = () => {
    if (quote) names.push(`“${shorten(quote)}”${which && ` (${which})`}`);
    quote = which = "";
  };
  let last = -2;
  for (const index of touched) {
    const chip = chips[index] as Chip;
    const whole = chip.tokens.every((token) => selected.has(token));
    if (chip.kind === "special") {
      flush();
      names.push(chip.text);
    } else if (!whole) {
      flush();
      const pieces = chip.tokens.filter((token) => selected.has(token));
      const text = pieces.map((token) => all[token]?.text ?? "").join("");
      names.push(`“${shorten(text)}” of “${shorten(chip.text)}”`);
    } else {
      const joined = quote !== "" && last === index - 1;
      if (!joined) flush();
      quote = joined ? quote + chip.before + chip.text : chip.text;
      which = joined ? "" : whichOf(subject, index);
    }
    last = index;
  }
  flush();
  if (names.length > 3) return `${touched.length} words`;
  return listed(names);
}

const LONGEST = 40; // characters of a text that the line quotes

function shorten(text: string): string {
  const flat = text.replace(/\s+/gu, " ");
  const points = [...flat];
  return points.length <= LONGEST ? flat : `${points.slice(0, LONGEST - 1).join("")}…`;
}
