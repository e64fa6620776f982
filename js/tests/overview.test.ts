import { describe, expect, test } from "vitest";
import { readSides } from "../src/parts/panels";
import { cellsOf, type Maps, type Matrix, mapsOf, overviewOf } from "../src/values/overview";
import { Pairs } from "../src/values/pairs";
import { DEFAULTS } from "../src/values/settings";
import type { AnyPanel, FoldState } from "../src/values/shapes";
import { type Both, both, specialOf } from "../src/values/sides";
import { sidesOf, tokensOf } from "./model";

const [CAPTION, PICTURE] = sidesOf({ grid: [1, 2] }).map(({ panels }) => panels[0]) as [
  AnyPanel,
  AnyPanel,
];

/** A caption of as many words as told: `w0 w1 …`. */
function words(count: number): AnyPanel {
  const text = Array.from({ length: count }, (_, i) => `w${i}`);
  let start = 0;
  const tokens = tokensOf(
    text.map((word, i) => {
      const at = start;
      start += word.length + 1;
      return [word, i, at, at + word.length];
    }),
  );
  return sidesOf({ text: text.join(" "), tokens })[0]?.panels[0] as AnyPanel;
}

/** Pairs whose rows are `values(row)`. */
function pairsOf(inputs: Both<AnyPanel[]>, values: (row: number) => number[]): Pairs {
  const pairs = new Pairs(both((side) => specialOf(inputs[side])));
  for (let row = 0; row < pairs.rows; row++) pairs.write(row, Float32Array.from(values(row)));
  return pairs;
}

function overview(inputs: Both<AnyPanel[]>, pairs: Pairs, folds: Both<FoldState[]> = [[], []]) {
  return overviewOf(readSides(inputs, folds, DEFAULTS), folds, pairs);
}

describe("maps", () => {
  const inputs: Both<AnyPanel[]> = [[CAPTION], [PICTURE]];

  test("are of each word, over the picture's patches alone", () => {
    const pairs = pairsOf(inputs, (row) => [100, row, -row]);
    const maps = overview(inputs, pairs) as Maps;
    expect([maps.kind, maps.side, maps.of]).toEqual(["maps", 0, 3]);
    expect(maps.entries.map(({ text }) => text)).toEqual(["a", "snowman", "red"]);
    // Of the two pieces of `snowman`, tokens 2 and 3.
    const shown = maps.entries.map((entry) => mapsOf(maps, entry, pairs).map((map) => [...map]));
    expect(shown).toEqual([[[1, -1]], [[5, -5]], [[5, -5]]]);
  });

  test("of many words are of the strongest, in the order of reading, once these are known", () => {
    const many: Both<AnyPanel[]> = [[words(20)], [PICTURE]];
    const names = (pairs: Pairs) =>
      (overview(many, pairs) as Maps).entries.map(({ text }) => Number(text.slice(1)));
    const size = (row: number) => (row % 2 === 0 ? 1 : 0.01 * (row + 1));
    const pairs = pairsOf(many, (row) => [9, -size(row), 0]);
    expect(names(pairs)).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 17, 18, 19]);
    const unknown = new Pairs(both((side) => specialOf(many[side])));
    unknown.write(11, Float32Array.of(0, 1, 0));
    unknown.write(12, Float32Array.of(0, 5, 0));
    expect(names(unknown)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  test("are over each of several pictures, and of words that stand for each other together", () => {
    const sums: Both<AnyPanel[]> = [
      [words(2), words(2)],
      [PICTURE, PICTURE],
    ];
    const folds = [
      { name: "w0 / v0", features: [0, 2] },
      { name: "w1", features: [1, 3] },
    ];
    const pairs = pairsOf(sums, (row) => [0, row, 0, 0, 0, 10 * row]);
    const maps = overview(sums, pairs, [folds, []]) as Maps;
    expect(maps.entries.map(({ text }) => text)).toEqual(["w0 / v0", "w1"]);
    const [first] = maps.entries;
    expect(first && mapsOf(maps, first, pairs).map((map) => [...map])).toEqual([
      [2, 0],
      [0, 20],
    ]);
  });

  test("are of no special position, folded or not", () => {
    const folds = [
      { name: "BOS", features: [0] },
      { name: "a", features: [1] },
    ];
    const maps = overview(
      inputs,
      pairsOf(inputs, () => [0, 0, 0]),
      [folds, []],
    ) as Maps;
    expect(maps.entries.map(({ name }) => name)).toEqual(["a"]);
  });

  test("there are none of pictures with pictures", () => {
    const pictures: Both<AnyPanel[]> = [[PICTURE], [PICTURE]];
    expect(
      overview(
        pictures,
        pairsOf(pictures, () => [0, 0, 0]),
      ),
    ).toBeNull();
  });
});

test("words with words are a matrix of their sums", () => {
  const captions: Both<AnyPanel[]> = [[CAPTION], [words(2)]];
  const pairs = pairsOf(captions, (row) => [row, -row / 10]);
  const matrix = overview(captions, pairs) as Matrix;
  expect(matrix.kind).toBe("matrix");
  expect(matrix.sides.map((entries) => entries.map(({ text }) => text))).toEqual([
    ["a", "snowman", "red"],
    ["w0", "w1"],
  ]);
  const cells = [1, -0.1, 5, -0.5, 5, -0.5].map((value) => expect.closeTo(value, 5));
  expect([...cellsOf(matrix, pairs)]).toEqual(cells);
});
