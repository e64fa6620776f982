import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { encodeFloats } from "../src/model/bytes";
import type { Traits } from "../src/model/protocol";
import { Scale } from "../src/model/scale";
import { Selection } from "../src/model/selection";
import { Store } from "../src/model/store";
import { readSides } from "../src/parts/panels";
import { blocksOf, isLong, layoutOf } from "../src/values/layout";
import { favour } from "../src/values/line";
import { DEFAULTS } from "../src/values/settings";
import type { AnyPanel, FoldState, SideState, TokenState } from "../src/values/shapes";
import { type Both, nameOf, type Side } from "../src/values/sides";
import { nth, ordinal, spokenTitle, weightSpoken, weightText } from "../src/values/weights";
import { folded, sentence, nameOf as wordsNamed } from "../src/values/words";
import { mount } from "../src/view";
import { FakeModel, tokensOf, type Written } from "./model";

/** `BOS`, the words of a text, `EOS`. */
function tokens(text: string): TokenState[] {
  let start = 0;
  const words = text.split(" ").map((word, i): Written => {
    const at = start;
    start += word.length + 1;
    return [word, i, at, at + word.length];
  });
  return tokensOf(["BOS", ...words, "EOS"]);
}

function caption(text: string, weight = 1): AnyPanel {
  const all = tokens(text);
  const special = [0, all.length - 1];
  return { kind: "sentence", features: all.length, special, weight, text, tokens: all };
}

function picture(weight = 1, rows = 1, columns = 2): AnyPanel {
  return {
    ...{ kind: "picture", features: 1 + rows * columns, special: [0], weight, names: ["CLS"] },
    ...{ grid: [rows, columns], data: null, media_type: "image/png" },
  };
}

function sidesOf(rows: AnyPanel[], columns: AnyPanel[], folds: FoldState[] = [], fold = false) {
  return readSides([rows, columns], [folds, []], { ...DEFAULTS, fold });
}

const DOG = caption("a photo of a dog");
const CAT = caption("a photo of a cat", -1);
/** As Python aligns them: features are those of both captions. */
const FOLDS: FoldState[] = ["BOS", "a", "photo", "of", "a", "dog / cat", "EOS"].map((name, i) => ({
  name,
  features: [i, 7 + i],
}));

describe("weights", () => {
  test("stand before their part in few signs, and are spoken in words", () => {
    const said = [1, -1, 0.5, -0.5, 1 / 3, 1 / 80, -2, 0.37, 1.5].map(weightText);
    expect(said).toEqual(["+", "−", "½ ×", "−½ ×", "⅓ ×", "1/80 ×", "−2 ×", "0.37 ×", "1.5 ×"]);
    expect([1, -1, 0.5, -2].map(weightSpoken)).toEqual([
      "plus",
      "minus",
      "plus ½ times",
      "minus 2 times",
    ]);
  });

  test("have parts that are counted", () => {
    expect([1, 2, 3, 8, 9, 11, 21, 22, 100].map(ordinal)).toEqual([
      ...["first", "second", "third", "eighth", "9th", "11th", "21st", "22nd", "100th"],
    ]);
    expect([1, 2, 3, 4, 12, 13, 23].map(nth)).toEqual([
      ...["1st", "2nd", "3rd", "4th", "12th", "13th", "23rd"],
    ]);
    const standing = { number: 2, count: 3, weight: -1, summed: true };
    expect(spokenTitle("caption", standing)).toBe("Caption 2 of 3, minus");
  });
});

describe("the layout", () => {
  const of = (rows: AnyPanel[], columns: AnyPanel[]) => {
    const sides = sidesOf(rows, columns);
    const blocks = blocksOf(sides).map(({ area, panels }) => `${area} ${panels.join()}`);
    return [layoutOf(sides), ...blocks];
  };

  test("has a place for every panel of either kind, in reading order", () => {
    expect(of([DOG], [picture()])).toEqual(["across", "rows 0", "columns 0"]);
    expect(of([DOG, CAT], [caption("an animal")])).toEqual(["stacked", "rows 0,1", "columns 0"]);
    expect(of([picture()], [picture()])).toEqual(["across", "rows 0", "columns 0"]);
    expect(of([DOG, CAT], [picture()])).toEqual([
      ...["between", "first 0", "columns 0", "second 1"],
    ]);
    expect(of([DOG], [picture(), picture(-1)])).toEqual(["under", "columns 0,1", "rows 0"]);
    expect(of([DOG, CAT, CAT], [picture()])).toEqual(["across", "rows 0,1,2", "columns 0"]);
    expect(of([DOG, picture()], [picture()])).toEqual(["across", "rows 0,1", "columns 0"]);
  });

  test("knows a caption beside which a picture is low", () => {
    expect(isLong(sidesOf([DOG], [picture()]))).toBe(false);
    expect(isLong(sidesOf([caption("a word and ".repeat(20).trim())], [picture()]))).toBe(true);
  });
});

describe("names", () => {
  test("of words say which one, and which caption where several have it", () => {
    const [rows] = sidesOf([DOG, CAT], [picture()]);
    const name = (...features: number[]) => nameOf(rows, features, false);
    expect(name(5)).toBe("“dog”");
    expect(name(12)).toBe("“cat”");
    expect(name(1)).toBe("“a” (1st) of the first caption");
    expect(name(11)).toBe("“a” (2nd) of the second caption");
    expect(name(9, 10)).toBe("“photo of” of the second caption");
    expect(name(10, 11, 12)).toBe("“of a cat”"); // no other caption has this
    expect(name(0)).toBe("BOS of the first caption");
    expect(name(5, 12)).toBe("“dog” and “cat”");
  });

  test("of one caption's words say which of two equal ones", () => {
    const all = tokens("a dog and a cat");
    const cut = sentence("a dog and a cat", all);
    expect(wordsNamed([4], cut, all)).toBe("“a” (2nd)");
    expect(wordsNamed([1, 2], cut, all)).toBe("“a dog”");
    expect(wordsNamed([2], cut, all)).toBe("“dog”");
  });

  test("of patches say which picture, on either side", () => {
    const [rows, columns] = sidesOf([picture()], [picture()]);
    expect(nameOf(rows, [1], false)).toBe("patch row 1, column 1 of the first picture");
    expect(nameOf(columns, [1, 2], false)).toBe("region of 2 patches of the second picture");
    const [, two] = sidesOf([DOG], [picture(), picture(-1)]);
    expect(nameOf(two, [5], false)).toBe("patch row 1, column 2 of the second picture");
    expect(nameOf(two, [3], false)).toBe("CLS of the second picture");
    const [, one] = sidesOf([DOG], [picture()]);
    expect(nameOf(one, [1], false)).toBe("patch row 1, column 1");
  });
});

test("red is for what is added against what is taken away", () => {
  const of = (sign: number, ...[rows, columns]: [AnyPanel[], AnyPanel[]]) =>
    favour(sidesOf(rows, columns), sign);
  expect(of(1, [DOG], [picture()])).toBe("");
  expect(of(1, [DOG, CAT], [picture()])).toBe("for the first caption against the second");
  expect(of(-1, [DOG, CAT], [picture()])).toBe("for the second caption against the first");
  expect(of(0, [DOG, CAT], [picture()])).toBe("");
  expect(of(1, [DOG], [picture(), picture(-1)])).toBe("for the first picture against the second");
  expect(of(1, [DOG, CAT, CAT], [picture()])).toBe("for the first caption against the others");
  expect(of(-1, [DOG, CAT, CAT], [picture()])).toBe("for the others against the first caption");
  expect(of(1, [DOG, DOG, CAT, CAT], [picture()])).toBe(
    "for what is added against what is taken away",
  );
  expect(of(-1, [DOG, CAT], [picture(), picture(-1)])).toBe(
    "for the second caption against the first, in the first picture against the second",
  );
  expect(favour(sidesOf([DOG, CAT], [picture()], FOLDS, true), 1)).toBe(
    "for the first caption against the second",
  );
});

describe("folds", () => {
  test("are the words of one sentence, with the features of all", () => {
    const all = [...tokens("a photo of a dog"), ...tokens("a photo of a cat")];
    const { chips, chipOf } = folded(all, FOLDS);
    expect(chips.map(({ before, text }) => before + text).join("")).toBe(
      "BOS a photo of a dog / cat EOS",
    );
    expect(chips.map(({ kind }) => kind)).toEqual([
      ...["special", "word", "word", "word", "word", "word", "special"],
    ]);
    expect(chips[5]?.tokens).toEqual([5, 12]);
    expect(chipOf[12]).toBe(5);
  });

  test("join runs of padding, and keep marks close", () => {
    const pads = tokensOf([["red", 0, 0, 3], [",", 1, 3, 4], "PAD", "PAD", "PAD"]);
    const folds = ["red", ",", "PAD", "PAD", "PAD"].map((name, i) => ({
      name,
      features: [i, 5 + i],
    }));
    const { chips } = folded([...pads, ...pads], folds);
    expect(chips.map(({ before, text }) => before + text)).toEqual(["red", ",", " PAD ×3"]);
    expect(chips[2]?.tokens).toEqual([2, 7, 3, 8, 4, 9]);
  });
});

const cleanups: (() => void)[] = [];
/** What was painted last on each canvas of a picture, as RGBA. */
const painted = new Map<HTMLCanvasElement, number[][]>();

beforeEach(() => {
  painted.clear();
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation(function (
    this: HTMLCanvasElement,
  ) {
    return {
      clearRect: () => painted.set(this, []),
      putImageData: ({ data }: ImageData) =>
        painted.set(
          this,
          Array.from({ length: data.length / 4 }, (_, i) => [...data.subarray(4 * i, 4 * i + 4)]),
        ),
    } as never;
  });
});

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
  vi.restoreAllMocks();
});

const frame = () => new Promise((resolve) => requestAnimationFrame(() => resolve(null)));

function show(rows: AnyPanel[], columns: AnyPanel[], traits: Partial<Traits> = {}) {
  const count = (panels: AnyPanel[]) => panels.reduce((sum, { features }) => sum + features, 0);
  const [height, width] = [count(rows), count(columns)];
  // Value `row + column / 10`, and against in parts that are taken away.
  const signs = (panels: AnyPanel[]) =>
    panels.flatMap(({ features, weight }) => new Array<number>(features).fill(Math.sign(weight)));
  const [up, across] = [signs(rows), signs(columns)];
  const values = Float32Array.from({ length: height * width }, (_, i) => {
    const [row, column] = [Math.floor(i / width), i % width];
    return (row + column / 10) * (up[row] ?? 0) * (across[column] ?? 0);
  });
  const side = (panels: AnyPanel[], folds: FoldState[]): SideState => ({ panels, folds });
  const sides = [side(rows, traits.fold === undefined ? [] : FOLDS), side(columns, [])];
  const model = new FakeModel({ rows: encodeFloats(values), ...traits, sides });
  const store = new Store(model);
  const life = new AbortController();
  cleanups.push(
    () => life.abort(),
    () => store.close(),
  );
  const el = document.createElement("div");
  document.body.append(el);
  mount(store, { selection: new Selection(), scale: new Scale() }, el, life.signal);
  const root = el.firstElementChild as HTMLElement;
  const all = (selector: string) => [...root.querySelectorAll<HTMLElement>(selector)];
  const stages = all(".fpattr-stage");
  for (const stage of stages) stage.getBoundingClientRect = () => new DOMRect(0, 0, 200, 100);
  const line = () => root.querySelector(".fpattr-line")?.textContent ?? "";
  const value = (row: number, column: number) => values[row * width + column] ?? Number.NaN;
  return { model, root, all, stages, line, value };
}

async function point(type: string, target: Element | undefined, options: PointerEventInit = {}) {
  const basics = { bubbles: true, pointerId: 1, pointerType: "mouse", button: 0, clientY: 50 };
  target?.dispatchEvent(new PointerEvent(type, { ...basics, ...options }));
  await frame();
}

const LEFT = { clientX: 50 };
const RIGHT = { clientX: 150 };

describe("two captions against each other on a picture", () => {
  test("have headings with their signs, also for those who listen", () => {
    const { all, root, stages } = show([DOG, CAT], [picture()]);
    // The map of the whole difference is there before anything is pointed at.
    expect(stages[0]?.hasAttribute("data-map")).toBe(true);
    const headings = all(".fpattr-heading:not([hidden])");
    expect(headings.map(({ textContent }) => textContent?.replace("fold", ""))).toEqual([
      ...["+first caption", "−second caption"],
    ]);
    expect(all("[role=listbox]").map((list) => list.getAttribute("aria-label"))).toEqual([
      "Caption 1 of 2, plus: a photo of a dog",
      "Caption 2 of 2, minus: a photo of a cat",
    ]);
    expect(all(".fpattr-side").map(({ dataset }) => dataset.area)).toEqual([
      ...["first", "columns", "second"],
    ]);
    expect(root.querySelector(".fpattr-editing:not([hidden])")).toBeNull();
  });

  test("say which caption is pointed at, and for which it speaks", async () => {
    const { all, root, line } = show([DOG, CAT], [picture()]);
    expect(line()).toMatch(/Red is for the first caption against the second\.$/);
    await point("pointermove", all(".fpattr-token[data-tokens='8']")[0]);
    expect(root.dataset.shown).toBe("tokens/2:1");
    expect(line()).toMatch(
      /^“a” \(1st\) of the second caption × all patches: −16\.300 for the second caption against the first/,
    );
    await point("pointermove", all(".fpattr-token[data-tokens='5']")[0]);
    expect(root.dataset.shown).toBe("tokens/1:5");
    expect(line()).toMatch(/^“dog” × all patches: \+10\.300 for the first caption/);
  });

  test("fold into one, whose words are pointed at together, and unfold", async () => {
    const { all, root, model, line, value } = show([DOG, CAT], [picture()], { fold: false });
    const fold = all(".fpattr-fold:not([hidden])");
    expect(fold.map((one) => one.getAttribute("aria-checked"))).toEqual(["false"]);
    fold[0]?.focus();
    fold[0]?.click();
    await frame();
    expect(model.get("fold")).toBe(true);
    expect(document.activeElement).toBe(all(".fpattr-fold")[0]);
    expect(all(".fpattr-caption").map(({ textContent }) => textContent)).toEqual([
      "BOS a photo of a dog / cat EOS",
    ]);
    const word = all(".fpattr-token[data-tokens='5,12']")[0];
    const both = [0, 1, 2].map((column) => value(5, column) + value(12, column));
    expect(Number(word?.dataset.value)).toBeCloseTo(
      (both[0] ?? 0) + (both[1] ?? 0) + (both[2] ?? 0),
    );
    await point("pointerdown", word);
    await point("pointerup", word);
    expect(model.get("selected_rows")).toEqual([5, 12]);
    expect(root.dataset.shown).toBe("tokens:5,12");
    expect(line()).toMatch(/^“dog \/ cat” × all patches: −14\.000 for the second caption/);
    all(".fpattr-fold")[0]?.click();
    await frame();
    expect(root.dataset.shown).toBe("tokens/1:5 tokens/2:5");
    expect(all(".fpattr-caption")).toHaveLength(2);
  });

  test("cannot be edited where they stand", () => {
    const { all } = show([DOG, CAT], [picture()], { editable: true });
    expect(all(".fpattr-edit, .fpattr-choose").every((button) => button.closest("[hidden]"))).toBe(
      true,
    );
  });
});

describe("two pictures", () => {
  test("on one side keep each other's pins when a region is added", async () => {
    const { model, stages, root } = show([DOG], [picture(), picture(-1)]);
    const tap = async (stage: number, at: object, options: object = {}) => {
      await point("pointerdown", stages[stage], { ...at, ...options });
      await point("pointerup", stages[stage], { ...at, ...options });
    };
    await tap(0, RIGHT);
    await tap(1, LEFT, { shiftKey: true });
    expect(model.get("selected_columns")).toEqual([2, 4]);
    expect(root.dataset.shown).toBe("patches/1:1 patches/2:0");
    await tap(0, RIGHT, { altKey: true });
    expect(model.get("selected_columns")).toEqual([4]);
    await tap(0, LEFT);
    expect(model.get("selected_columns")).toEqual([1]);
    const labels = stages.map((stage) => stage.getAttribute("aria-label"));
    expect(labels[1]).toBe("Picture 2 of 2, minus: 1 by 2 patches");
  });

  test("on both sides show what each patch is worth, and answer each other", async () => {
    const { stages, all, line, value } = show([picture()], [picture()]);
    const canvases = all(".fpattr-heat") as HTMLCanvasElement[];
    const alphas = (index: number) =>
      painted.get(canvases[index] as HTMLCanvasElement)?.map(([, , , alpha]) => alpha ?? 0);
    expect(stages.every((stage) => stage.hasAttribute("data-map"))).toBe(true);
    // The second row is worth most.
    expect((alphas(0)?.[1] ?? 0) > (alphas(0)?.[0] ?? 0)).toBe(true);
    await point("pointermove", stages[0], RIGHT);
    const map = [1, 2].map((column) => value(2, column));
    expect(alphas(1)?.map((alpha) => alpha / 255 / 0.85)).toEqual(
      map.map((one) => expect.closeTo(one / 2.2, 2)),
    );
    expect(line()).toMatch(/^patch row 1, column 2 of the first picture × all patches: \+4\.300/);
    await point("pointermove", stages[1], LEFT);
    expect(line()).toMatch(/^patch row 1, column 1 of the second picture × all patches: \+3\.200/);
  });
});

test("a patch is worth less than a word, and its map in another picture is no fainter", async () => {
  const rows = encodeFloats(new Float32Array(9 * 9).fill(0.0001));
  const { stages, all } = show([picture(1, 2, 4)], [picture(1, 2, 4)], { rows });
  const ends = () => all(".fpattr-heat").map((heat) => Number(heat.dataset.limit));
  expect(ends()).toEqual([0.01, 0.01]);
  await point("pointermove", stages[0], LEFT);
  expect(ends()).toEqual([0.01, 0.005]);
});

test("after a handful the panels of a side scroll", () => {
  const many = Array.from({ length: 7 }, (_, i) => caption(`photo number${i}`, 1 / 7));
  const { all } = show(many, [picture()]);
  const [rows, columns] = all(".fpattr-panels");
  expect([rows?.dataset.many, columns?.dataset.many]).toEqual(["", undefined]);
  expect(
    all(".fpattr-weight")
      .slice(0, 7)
      .map(({ textContent }) => textContent),
  ).toEqual(new Array(7).fill("1/7 ×"));
});

describe("a side of a text and a picture", () => {
  test("has a scale for words and one for patches", async () => {
    const { stages, all } = show([caption("red dog"), picture()], [caption("big cat")]);
    await point("pointermove", all(".fpattr-side")[1]?.querySelector(".fpattr-token") ?? undefined);
    const limit = Number(all(".fpattr-heat")[0]?.dataset.limit);
    // Patches are rows 5 and 6, and column 3 is the largest.
    expect(limit).toBeCloseTo(6.2, 5);
    expect(stages).toHaveLength(1);
  });
});

describe("a finger", () => {
  const finger = { pointerType: "touch" };
  const move = () => {
    const event = new Event("touchmove", { bubbles: true, cancelable: true });
    return event;
  };

  test("that is lifted leaves the value beside what it tapped", async () => {
    const { stages, all } = show([DOG], [picture()]);
    await point("pointerdown", stages[0], { ...finger, ...RIGHT });
    await point("pointerup", stages[0], { ...finger, ...RIGHT });
    await point("pointerleave", stages[0], { ...finger, bubbles: false });
    expect(stages[0]?.dataset.readout).toMatch(/^\+/);
    const word = all(".fpattr-token")[2];
    await point("pointerdown", word, finger);
    await point("pointerup", word, finger);
    await point("pointerleave", all(".fpattr-text")[0], { ...finger, bubbles: false });
    expect(word?.dataset.readout).toMatch(/^\+/);
    expect(stages[0]?.dataset.readout).toBeUndefined();
  });

  test("scrolls the page unless it rests first, or comes a second time", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { stages } = show([DOG], [picture()]);
    const [stage] = stages;
    const scrolls = () => {
      const event = move();
      stage?.dispatchEvent(event);
      return !event.defaultPrevented;
    };
    const down = { ...finger, ...LEFT };
    await point("pointerdown", stage, down);
    expect(scrolls()).toBe(true);
    vi.advanceTimersByTime(450);
    expect(scrolls()).toBe(false);
    await point("pointercancel", stage, down);
    expect(scrolls()).toBe(true);
    // A finger that moves does not rest.
    await point("pointerdown", stage, down);
    await point("pointermove", stage, { ...finger, clientX: 70 });
    vi.advanceTimersByTime(450);
    expect(scrolls()).toBe(true);
    await point("pointercancel", stage, down);
    // Two taps.
    await point("pointerdown", stage, down);
    await point("pointerup", stage, down);
    await point("pointerdown", stage, down);
    expect(scrolls()).toBe(false);
    vi.useRealTimers();
  });
});

test("a side can be folded where Python says which words stand for each other", () => {
  const sides: Both<Side> = sidesOf([DOG, CAT], [picture()], FOLDS, false);
  expect([sides[0].fold, sides[1].fold]).toEqual(["possible", null]);
  expect(sidesOf([DOG, CAT], [picture()], FOLDS, true)[0].fold).toBe("folded");
});
