/** What a newcomer asks, and the answers. Pure. */

import { listed } from "./format";
import { HALVES, MEANINGS } from "./parts";
import type { AnyPanel } from "./shapes";
import { type Both, isDifference, SIDES, type Side, wordOf } from "./sides";

/** A question in a word or two, and its answer. */
export interface Entry {
  readonly term: string;
  readonly text: string;
}

const REFERENCES = {
  sentence: "a caption without words",
  picture: "an even grey picture",
} satisfies Record<AnyPanel["kind"], string>;

const PADDING = /^PAD\b/;

/**
 * What there is to explain of these sides; `about` has layers and nodes in words, and `read` tells
 * which parts the pairs have, and whether there are read-outs.
 */
export function help(
  sides: Both<Side>,
  about: Readonly<Record<string, string>>,
  read: { parts: readonly string[]; any: boolean },
): Entry[] {
  const [some, others] = SIDES.map((side) => wordOf(sides[side], "group", " or "));
  const special = sides.flatMap(({ groups }) => groups.filter((group) => group.special));
  const names = [...new Set(special.map(({ text }) => text))];
  const added = names.filter((name) => !PADDING.test(name));
  const padded = names.length > added.length;
  const differs = sides.some(isDifference);
  const sums = sides.some(({ parts }) => parts.length > 1);
  const states = sides.flatMap(({ panels }) => panels.map(({ state }) => state));
  const unknown = states.some(
    (state) => state.kind === "sentence" && state.tokens.some((token) => token.unknown),
  );
  const references = Object.entries(REFERENCES)
    .filter(([kind]) => states.some((state) => state.kind === kind))
    .map(([, reference]) => reference);
  const entries: (Entry | false)[] = [
    {
      term: "Red, blue",
      text: differs
        ? "Red speaks for what is added and against what is subtracted; blue the other way round. The stronger the colour, the more. Blue is hatched or underlined, so that it can be told without colour."
        : "Red raises the score, blue lowers it: the stronger the colour, the more. Blue is hatched or underlined, so that it can be told without colour.",
    },
    {
      term: "Map",
      text: `Point at a ${some}: each ${others} shows what the two add to the score together. It works in the other direction too. Such numbers may be summed: over a phrase, a region, or everything.`,
    },
    {
      term: "Steps",
      text: `The score is a sum. ${sums ? "Where parts cancel each other, a step shows how far it went up and came back. " : ""}Point at a step to see what it is.`,
    },
    HALVES.every((half) => read.parts.includes(half)) && {
      term: "Match, routing",
      text: `This model reads the picture by the caption. Match is ${MEANINGS.match}; routing is ${MEANINGS.routing}. Together they are all pairs.`,
    },
    read.any && {
      term: "Read",
      text: "How much of its attention the caption gives to each place of the picture, and what this place adds to the cosine. Point at a place for its own map, and for each of the model’s heads.",
    },
    {
      term: "Reference, baseline",
      text: `Everything is measured against a reference that says nothing: ${listed(references)}, unless another was chosen. What two references score with each other is the baseline.`,
    },
    added.length > 0 && {
      term: listed(added.slice(0, 4)),
      text: "Positions that the model adds by itself: marks of where a caption begins and ends (BOS, EOS), a place that gathers the whole picture (CLS). They take part in the sum like words and patches.",
    },
    padded && {
      term: "PAD",
      text: "Short captions are filled up to a fixed length, and this model reads the filling too: it may keep there what it has understood. So PAD can be the reddest of all.",
    },
    unknown && {
      term: "Dotted word",
      text: "The model has never seen this word and reads an “unknown” in its place. Its map says nothing about the word.",
    },
    {
      term: "Pins",
      text: "Click to pin, drag for a phrase or a region; Shift adds, Alt takes away, Escape clears. By keyboard: arrow keys, Shift with them, Enter.",
    },
    {
      term: "Touch",
      text: "Tap to see a value and pin it. What a drag does (new, add, remove) is chosen below.",
    },
  ];
  const made = [about.layers, about.nodes].filter(Boolean).join(" · ");
  if (made) {
    entries.push({
      term: "How it was made",
      text: `${made}. Blocks: where in the model words and patches were taken. Nodes: at how many points between reference and input it was measured; more are more exact.`,
    });
  }
  return entries.filter((entry) => entry !== false);
}
