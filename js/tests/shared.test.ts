import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { encodeFloats } from "../src/model/bytes";
import type { Traits } from "../src/model/protocol";
import { Scale } from "../src/model/scale";
import { Selection } from "../src/model/selection";
import { Store } from "../src/model/store";
import type { SideState } from "../src/values/shapes";
import { mount, type Shared } from "../src/view";
import { FakeModel, sidesOf, tokensOf } from "./model";

const RED = tokensOf([["red", 0, 0, 3]]);
const SIDES = sidesOf({ text: "red", tokens: RED, names: [], grid: [1, 2] });
const lives: AbortController[] = [];

beforeEach(() => {
  const context = { clearRect() {}, putImageData() {} };
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(context as never);
});

afterEach(() => {
  for (const life of lives.splice(0)) life.abort();
  vi.restoreAllMocks();
});

const frame = () => new Promise((resolve) => requestAnimationFrame(() => resolve(null)));

function show(shared: Shared, sides: SideState[], values: number[], traits: Partial<Traits> = {}) {
  const rows = encodeFloats(Float32Array.from(values));
  const model = new FakeModel({ sides, rows, ...traits });
  const life = new AbortController();
  const store = new Store(model);
  lives.push(life);
  life.signal.addEventListener("abort", () => store.close());
  const el = document.createElement("div");
  document.body.append(el);
  mount(store, shared, el, life.signal);
  const root = el.firstElementChild as HTMLElement;
  const limit = () => Number(root.querySelector<HTMLElement>(".fpattr-heat")?.dataset.limit);
  return { model, root, life, limit };
}

const shared = (): Shared => ({ selection: new Selection(), scale: new Scale() });

async function hover(root: HTMLElement, selector: string): Promise<void> {
  const options = { bubbles: true, pointerType: "mouse" };
  root.querySelector(selector)?.dispatchEvent(new PointerEvent("pointermove", options));
  await frame();
}

test("views that share a selection hover and pin together", async () => {
  const both = shared();
  const one = show(both, SIDES, [1, 2]);
  const other = show(both, SIDES, [3, 4]);
  const alone = show(shared(), SIDES, [5, 6]);
  await hover(one.root, ".fpattr-token");
  const shown = () => [one, other, alone].map(({ root }) => root.dataset.shown);
  expect(shown()).toEqual(["tokens:0", "tokens:0", ""]);
  other.model.update({ selected_columns: [1] });
  await frame();
  expect(shown()).toEqual(["tokens:0 patches:1", "tokens:0 patches:1", ""]);
  expect([one, alone].map(({ model }) => model.get("selected_columns"))).toEqual([[1], []]);
});

test("what is pinned in one view is cut to what is there in another", async () => {
  const both = shared();
  const one = show(both, sidesOf(), new Array(49).fill(1));
  const other = show(both, SIDES, [1, 2]);
  one.model.update({ selected_rows: [0, 5] });
  await frame();
  expect([one, other].map(({ root }) => root.dataset.shown)).toEqual(["tokens:0,5", "tokens:0"]);
  expect(other.model.get("selected_rows")).toEqual([0]);
  one.model.update({ selected_rows: [] });
  await hover(one.root, ".fpattr-token[data-tokens='5']");
  expect([one, other].map(({ root }) => root.dataset.shown)).toEqual(["tokens:5", ""]);
  // What is not there is not asked for.
  expect(other.model.sent.filter(({ type }) => type !== "hello")).toEqual([]);
});

test("views that share a scale end where the largest value of all is, while it is shown", async () => {
  const both = shared();
  const one = show(both, SIDES, [1, 2], { selected_rows: [0] });
  expect(one.limit()).toBe(2);
  const other = show(both, SIDES, [3, -8]);
  await frame();
  expect([one.limit(), other.limit()]).toEqual([8, 8]);
  const words = () => one.root.querySelector("[data-scale=words]")?.textContent;
  expect(words()).toBe("words ±5.000"); // |3 − 8|, more than 1 + 2
  other.life.abort();
  await frame();
  expect([one.limit(), words()]).toEqual([2, "words ±3.000"]);
});

test("a map on its own scale is not on the shared one", async () => {
  const both = shared();
  const one = show(both, SIDES, [1, 2], { selected_rows: [0], scale: "own" });
  show(both, SIDES, [3, -8]);
  await frame();
  expect(one.limit()).toBe(2);
});

test("two texts are words beside words", async () => {
  const [red = { panels: [], folds: [] }] = SIDES;
  const tokens = tokensOf(["BOS", ["big", 0, 0, 3], ["dog", 1, 4, 7]]);
  const [dog = { panels: [], folds: [] }] = sidesOf({ text: "big dog", tokens });
  const both = shared();
  const { root, model } = show(both, [red, dog], [0.5, 1, -2]);
  const chips = () => [...root.querySelectorAll<HTMLElement>(".fpattr-token")];
  expect(chips().map((chip) => chip.textContent)).toEqual(["red", "BOS", "big", "dog"]);
  expect(chips().map((chip) => Number(chip.dataset.value))).toEqual([-0.5, 0.5, 1, -2]);
  // Each side has a scale, which another view shares.
  const ends = () => [...root.querySelectorAll(".fpattr-end")].map((end) => end.textContent);
  expect(ends()).toEqual(["words (first) ±0.500", "words (second) ±2.000"]);
  const other = show(both, [red, dog], [0, 0, 3]);
  await frame();
  expect(ends()).toEqual(["words (first) ±3.000", "words (second) ±3.000"]);
  other.life.abort();
  const weak = show(both, [red, dog], [0.5, 1, -1]);
  await frame();
  expect(ends()).toEqual(["words (first) ±0.500", "words (second) ±2.000"]);
  weak.life.abort();
  const line = () => root.querySelector(".fpattr-line")?.textContent;
  expect(line()).toBe("Hover a word. Drag to pin a phrase; Escape clears.");
  await hover(root, ".fpattr-token");
  expect(line()).toBe(
    "“red” × all words: −1.000 · BOS +0.500 · together −0.500 · strongest word “dog”: −2.000",
  );
  model.update({ selected_columns: [2] });
  await frame();
  expect(line()).toBe("“red” × “dog”: −2.000 · all words −1.000");
});

test("two pictures on a side number their patches one after the other", async () => {
  const [red = { panels: [], folds: [] }, picture = { panels: [], folds: [] }] = SIDES;
  const both = { panels: [...picture.panels, ...picture.panels], folds: [] };
  const { root, model } = show(shared(), [red, both], [1, 2, 3, 4], { selected_columns: [1, 2] });
  expect(root.querySelectorAll(".fpattr-stage")).toHaveLength(2);
  const outlines = [...root.querySelectorAll(".fpattr-marks > .fpattr-over")].map((path) =>
    path.getAttribute("d"),
  );
  expect(outlines).toEqual(["M1 0L2 0L2 1L1 1Z", "M0 0L1 0L1 1L0 1Z"]);
  expect(root.querySelector(".fpattr-line")?.textContent).toMatch(
    /^patch row 1, column 2 of the first picture and patch row 1, column 1 of the second picture × all words: \+5\.000/,
  );
  // Other panels in their place are other parts.
  model.update({ epoch: 2, sides: [red, picture], selected_columns: [], rows: null });
  await frame();
  expect(root.querySelectorAll(".fpattr-stage")).toHaveLength(1);
});
