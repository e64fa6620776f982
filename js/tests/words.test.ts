import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CodePoints } from "../src/values/codepoints";
import type { TokenState } from "../src/values/shapes";
import { nameOf, neverSeen, sentence } from "../src/values/words";
import { tokensOf } from "./model";

const text = fc.string({ unit: "binary", maxLength: 20 });

test("slices count code points, as Python does", () => {
  fc.assert(
    fc.property(text, fc.nat(24), fc.nat(24), (whole, start, stop) => {
      const points = [...whole];
      expect(new CodePoints(whole).slice(start, stop)).toBe(points.slice(start, stop).join(""));
      expect(new CodePoints(whole)).toHaveLength(points.length);
    }),
  );
});

/** Captions cut at random places into tokens, some of which join into words. */
const cut = fc
  .record({ caption: text, cuts: fc.array(fc.nat(20)), joins: fc.array(fc.boolean()) })
  .map(({ caption, cuts, joins }) => {
    const points = [...caption];
    const ends = [...new Set([0, ...cuts.filter((i) => i < points.length), points.length])];
    ends.sort((a, b) => a - b);
    let word = 0;
    const tokens: TokenState[] = ends.slice(1).map((stop, i) => {
      const start = ends[i] ?? 0;
      if (!joins[i]) word++;
      return {
        text: points.slice(start, stop).join(""),
        word,
        start,
        stop,
        special: false,
        unknown: false,
      };
    });
    return { caption, tokens };
  });

test("every token stands in one chip, in order, and no text is lost or told twice", () => {
  fc.assert(
    fc.property(cut, ({ caption, tokens }) => {
      const { chips, after, chipOf } = sentence(caption, tokens);
      expect(chips.flatMap((chip) => chip.tokens)).toEqual(tokens.map((_, i) => i));
      tokens.forEach((_, i) => {
        expect(chips[chipOf[i] ?? -1]?.tokens).toContain(i);
      });
      const squeezed = (all: string) => all.replace(/\s/gu, "");
      const shown = chips.map((chip) => chip.before + chip.text).join("") + after;
      expect(squeezed(shown)).toBe(squeezed(caption));
    }),
  );
});

describe("sentence", () => {
  test("joins pieces, keeps the case and the text between words, and puts marks close", () => {
    const { chips } = sentence(
      "A  Snowman, 🐕",
      tokensOf([
        "BOS",
        ["a", 0, 0, 1],
        [" snow", 1, 2, 7],
        ["man", 1, 7, 10],
        [",", 2, 10, 11],
        ["🐕", 3, 12, 13],
        "EOS",
      ]),
    );
    expect(chips.map(({ before, text, kind }) => [before, text, kind])).toEqual([
      ["", "BOS", "special"],
      [" ", "A", "word"],
      ["  ", "Snowman", "word"],
      ["", ",", "mark"],
      [" ", "🐕", "word"],
      [" ", "EOS", "special"],
    ]);
  });

  test("shows the tokens' own text where no offsets are known", () => {
    const bare = ["320", "1125"].map((id) => ({
      text: id,
      word: null,
      start: null,
      stop: null,
      special: false,
      unknown: false,
    }));
    const { chips, after } = sentence("", bare);
    expect(chips.map((chip) => chip.before + chip.text).join("") + after).toBe("320 1125");
  });

  test("long padding is one chip", () => {
    const { chips } = sentence("", tokensOf(["EOS", "PAD", "PAD", "PAD", "PAD"]));
    expect(chips.map((chip) => chip.text)).toEqual(["EOS", "PAD ×4"]);
    expect(chips[1]?.tokens).toEqual([1, 2, 3, 4]);
  });
});

describe("neverSeen", () => {
  const said = (...words: string[]) => {
    let at = 0;
    const tokens = words.map((text, word) => {
      const start = at;
      at += text.length + 1;
      const stop = start + text.length;
      return { text, word, start, stop, special: false, unknown: text !== "dog" };
    });
    return neverSeen(sentence(words.join(" "), tokens));
  };

  test("names each unknown word once, the first three of many", () => {
    expect(said("dog")).toBe("");
    expect(said("cup", "dog", "cup")).toMatch(/^The model has never seen “cup”: /);
    expect(said("cup", "mug")).toContain("“cup” and “mug”: to it they are one unknown word");
    expect(said("a", "b", "c", "d", "e")).toContain("“a”, “b”, “c” and 2 more: ");
  });

  test("a word is unknown as soon as one of its pieces is", () => {
    const [snow, man] = tokensOf([
      ["snow", 0, 0, 4],
      ["man", 0, 4, 7],
    ]) as [TokenState, TokenState];
    const { chips } = sentence("snowman", [snow, { ...man, unknown: true }]);
    expect(chips.map(({ text, unknown }) => [text, unknown])).toEqual([["snowman", true]]);
  });
});

describe("nameOf", () => {
  const tokens = tokensOf([
    "BOS",
    ["a", 0, 0, 1],
    ["snow", 1, 2, 6],
    ["man", 1, 6, 9],
    ["in", 2, 10, 12],
    ["red", 3, 13, 16],
  ]);
  const subject = sentence("a snowman in red", tokens);
  const name = (...indices: number[]) => nameOf(indices, subject, tokens);

  test.each([
    [[2, 3], "“snowman”"],
    [[1, 2, 3], "“a snowman”"],
    [[3], "“man” of “snowman”"],
    [[0], "BOS"],
    [[1, 5], "“a” and “red”"],
    [[0, 1, 4], "BOS, “a” and “in”"],
  ])("%j is %s", (indices, expected) => {
    expect(name(...indices)).toBe(expected);
  });
});
