/** Scores that a head makes: parts of the pairs, what a head read, and how both are shown. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import widget from "../src/index";
import { decodeFloats, encodeFloats } from "../src/model/bytes";
import { SILENCE } from "../src/model/liveness";
import type { FeaturesRequest, Traits } from "../src/model/protocol";
import { Store } from "../src/model/store";
import { readSides } from "../src/parts/panels";
import { waterfall } from "../src/values/ledger";
import { Pairs } from "../src/values/pairs";
import {
  barsOf,
  changeOf,
  effectiveNumber,
  readingOf,
  readsOf,
  tokensOfRoutes,
  winnersOf,
  wonPatches,
} from "../src/values/read_out";
import { DEFAULTS } from "../src/values/settings";
import type { ReadOutState } from "../src/values/shapes";
import { both } from "../src/values/sides";
import { FakeModel, features, HEADLESS, INPUTS, sidesOf, WIDTH } from "./model";

const COUNT = INPUTS.tokens.length;
const PARTS = ["match", "routing", "mixture 1", "mixture 2"];
/** All pairs, those of `match`, and those through the second place, as whole matrices. */
const ALL = matrix((row, column) => row + column / 10);
const MATCH = matrix((row, column) => 2 * row - column / 5);
const THROUGH = matrix((row, column) => (column - row) / 4);

function matrix(value: (row: number, column: number) => number): Float32Array {
  return Float32Array.from({ length: COUNT * WIDTH }, (_, i) =>
    value(Math.floor(i / WIDTH), i % WIDTH),
  );
}

const MIXTURE: ReadOutState = {
  routes: ["head 1", "head 2"],
  places: ["mixture 1", "mixture 2"],
  grid: null,
  weights: [
    [0.5, 0.25],
    [0.1, 0.9],
  ],
  nowhere: [0.25, 0],
  contributions: [
    [0.2, -0.1],
    [0.1, 0.25],
  ],
  constant: 0.05,
  similarity: 0.5,
  products: null,
  winners: [],
  compared: { "without the caption’s choice": 0.4 },
};

/** Two tokens of the caption, each with the one patch that it reads. */
const WINNERS: ReadOutState = {
  ...MIXTURE,
  routes: ["snow", "red"],
  places: [],
  grid: [2, 3],
  weights: [
    [0, 0, 1, 0, 0, 0],
    [0, 0, 0, 0, 1, 0],
  ],
  nowhere: null,
  contributions: [
    [0, 0, 0.2, 0, 0, 0],
    [0, 0, 0, 0, 0.25, 0],
  ],
  products: [
    [0.1, 0.1, 0.4, 0, 0, 0],
    [0, 0, -0.2, 0, 0.5, 0],
  ],
};

describe("a read-out", () => {
  test("has means over who reads, an effective number, and bars that are all of the cosine", () => {
    const reading = readingOf(MIXTURE);
    expect(reading.places).toEqual([
      { name: "mixture 1", label: "1", weights: [0.5, 0.1], weight: 0.3, contribution: 0.2 + 0.1 },
      { name: "mixture 2", label: "2", weights: [0.25, 0.9], weight: 0.575, contribution: 0.15 },
    ]);
    expect(reading.nowhere).toBe(0.125);
    // Shares of what is read at all: 12 and 23 of 35.
    const entropy = -(12 / 35) * Math.log(12 / 35) - (23 / 35) * Math.log(23 / 35);
    expect(reading.effective).toBeCloseTo(Math.exp(entropy), 9);
    const bars = barsOf(reading);
    expect(bars.map(({ kind, label }) => `${kind} ${label}`)).toEqual([
      ...["place 1", "place 2", "nowhere nowhere", "constant constant"],
    ]);
    const adds = bars.reduce((sum, { contribution }) => sum + (contribution ?? 0), 0);
    expect(adds).toBeCloseTo(reading.similarity, 9);
    expect(readingOf(MIXTURE, 1).places.map(({ weight }) => weight)).toEqual([0.1, 0.9]);
    expect(barsOf(readingOf({ ...MIXTURE, nowhere: null, constant: 0 }))).toHaveLength(2);
  });

  test("spreads over one place, over all, or over nothing", () => {
    expect(effectiveNumber([0, 1, 0])).toBe(1);
    expect(effectiveNumber([0.1, 0.1, 0.1])).toBeCloseTo(3, 9);
    expect(effectiveNumber([0, 0])).toBe(0);
  });

  test("changes between two of the same places, and the changes add up too", () => {
    const other: ReadOutState = {
      ...MIXTURE,
      weights: [
        [0.2, 0.8],
        [0, 1],
      ],
      nowhere: [0, 0],
      contributions: [
        [0, 0.1],
        [0, 0.1],
      ],
      constant: 0.1,
      similarity: 0.3,
    };
    const change = changeOf(readingOf(MIXTURE), readingOf(other));
    expect(change?.places.map(({ weight }) => weight)).toEqual([
      expect.closeTo(0.2, 9),
      expect.closeTo(-0.325, 9),
    ]);
    expect(change?.places[0]?.weights).toEqual([0.3, 0.1]);
    const adds = barsOf(change ?? readingOf(MIXTURE)).map(({ contribution }) => contribution ?? 0);
    expect(adds.reduce((sum, one) => sum + one)).toBeCloseTo(0.2, 9);
    expect(change?.effective).toBeNull();
    expect(changeOf(readingOf(MIXTURE), readingOf(WINNERS))).toBeNull();
  });

  test("says which patch each token reads alone", () => {
    expect(winnersOf(WINNERS)).toEqual([2, 4]);
    expect(winnersOf({ ...WINNERS, grid: null })).toBeNull(); // one mixture token of one
    const [, second = []] = WINNERS.weights;
    const prompt = { ...WINNERS, weights: [second.map(() => 0), second] }; // won by no patch
    expect(winnersOf(prompt)).toEqual([null, 4]);
    const shared = [[0, 0.5, 0.5, 0, 0, 0], ...WINNERS.weights.slice(1)];
    expect(winnersOf({ ...WINNERS, weights: shared })).toBeNull();
    const [text, picture] = both((side) => sidesOf()[side]?.panels ?? []);
    const sentence = text[0] as (typeof text)[number];
    expect(tokensOfRoutes(WINNERS, sentence)).toEqual([2, 5]);
    const every = INPUTS.tokens.map(({ text }) => `${text}!`);
    expect(tokensOfRoutes({ ...WINNERS, routes: every }, sentence)).toEqual([...every.keys()]);
    // Of two captions on one picture, features of the second follow those of the first.
    const inputs = [[sentence, sentence], picture] as const;
    const won = wonPatches(readsOf([WINNERS, prompt], inputs), inputs);
    expect([...won]).toEqual([
      ...[
        [2, [3]],
        [5, [5]],
        [COUNT + 5, [5]],
      ],
    ]);
  });
});

describe("the steps", () => {
  const inputs = both((side) => sidesOf()[side]?.panels ?? []);
  const sides = readSides(inputs, [[], []], DEFAULTS);
  const ledger = {
    ...{ similarity: 0.5, pairs: 0.4, rows_only: 0.1, columns_only: 0, baseline: 0, residual: 0 },
    ...{ unit_scale: 1, terms: [], ...HEADLESS },
  };
  const pairsOf = (values: Float32Array) => {
    const pairs = new Pairs(sides.map(({ special }) => special) as never);
    pairs.merge(values);
    return pairs;
  };
  const [all, match] = [pairsOf(ALL), pairsOf(MATCH)];
  const routing = pairsOf(new Float32Array());
  routing.takeDifference(all, match);
  const keys = (of: typeof ledger) =>
    waterfall(of, inputs, sides, (part) => (part === "match" ? match : part ? routing : all)).steps;

  test("have match and routing in place of the pairs, each with what is special in it", () => {
    const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);
    const parts = { match: sum(match.values), routing: sum(routing.values) };
    const steps = keys({ ...ledger, ...parts, pairs: sum(ALL) } as never);
    expect(steps.map(({ key }) => key)).toEqual([
      ...["match", "routing", "rows_only", "columns_only", "baseline"],
    ]);
    for (const step of steps.slice(0, 2)) {
      const value = parts[step.key as "match" | "routing"];
      expect(step.value).toBe(value);
      expect(step.addends[0]?.name).toBe("words × patches");
      expect(sum(step.addends.map((addend) => addend.value))).toBeCloseTo(value, 3);
    }
    expect(parts.match + parts.routing).toBeCloseTo(sum(ALL), 3);
  });

  test("name what a reading leaves out, and do not split pairs that are one part alone", () => {
    const left = {
      pairs: 0.6,
      match: 0.6,
      routing: -0.2,
      left_out: -0.2,
      left_out_name: "routing",
    };
    const steps = keys({ ...ledger, ...left } as never);
    expect(steps.map(({ key, name, value }) => [key, name, value])).toEqual([
      ["pairs", "pairs", 0.6],
      ["rows_only", "caption alone", 0.1],
      ["columns_only", "image alone", 0],
      ["baseline", "baseline", 0],
      ["left_out", "routing", -0.2],
    ]);
    expect(keys(ledger).some(({ key }) => key === "left_out")).toBe(false);
  });
});

describe("the store", () => {
  const open = (traits: Partial<Traits> = {}) => {
    const model = new FakeModel({ parts: PARTS, rows: encodeFloats(ALL), ...traits });
    const store = new Store(model);
    const asked = () =>
      model.sent.filter((one): one is FeaturesRequest => one.type === "features").map((one) => one);
    return { model, store, asked };
  };
  const give = (model: FakeModel, part: string, values: Float32Array, rows: number[]) => {
    const width = rows.map((row) => Array.from(values.subarray(row * WIDTH, (row + 1) * WIDTH)));
    model.receive(features(rows, 1, part), [encodeFloats(Float32Array.from(width.flat()))]);
  };
  const every = [...Array(COUNT).keys()];

  test("asks for a part when it is shown, and for match alone where routing is", () => {
    const { model, store, asked } = open();
    store.request("");
    expect(asked()).toEqual([]);
    store.request("routing");
    expect(asked().map(({ part, features }) => [part, features])).toEqual([["match", []]]);
    store.request("routing");
    expect(asked()).toHaveLength(1);
    expect(store.along(0, [2], "routing")[0]).toBeNaN();
    expect(asked().at(-1)).toMatchObject({ part: "match", side: 0, features: [2] });
    expect(store.awaited.count).toBe(0);
    give(model, "match", MATCH, every);
    const at = (row: number, column: number) => row + column / 10 - (2 * row - column / 5);
    expect(store.along(0, [2], "routing")[3]).toBeCloseTo(at(2, 3), 5);
    expect(store.along(1, [3], "routing")[2]).toBeCloseTo(at(2, 3), 5);
    expect(store.pairsOf("routing").complete).toBe(true);
    store.request("routing");
    expect(asked()).toHaveLength(2);
    // Rows of a part that this subject does not have are nobody's.
    give(model, "mixture 9", MATCH, every);
    expect(store.pairsOf("mixture 9").count).toBe(0);
    store.close();
  });

  test("asks for a sum over patches of the part that is shown", () => {
    const { model, store, asked } = open();
    expect(store.along(1, [3, 4], "mixture 2")[0]).toBeNaN();
    const request = asked().at(-1);
    expect(request).toMatchObject({ part: "mixture 2", side: 1, features: [3, 4] });
    const answer = Float32Array.from({ length: COUNT }, (_, row) => row);
    model.receive({ ...features([3, 4], 1, "mixture 2"), side: 1, id: request?.id ?? 0 }, [
      encodeFloats(answer),
    ]);
    expect([...store.along(1, [3, 4], "mixture 2")]).toEqual([...answer]);
    expect(store.along(1, [3, 4], "mixture 1")[0]).toBeNaN();
    store.close();
  });

  test("keeps match and the read-outs with the notebook, until something else is explained", () => {
    vi.useFakeTimers();
    const { model, store } = open();
    model.receive({
      ...{ type: "ledger", epoch: 1, similarity: 0.5, about: {}, read_outs: [MIXTURE] },
      ledger: { similarity: 0.5, pairs: 0.5 } as never,
    });
    give(model, "match", MATCH, every);
    vi.advanceTimersByTime(1000);
    expect(decodeFloats(model.get("match_rows"))).toEqual(MATCH);
    expect(store.readOuts).toEqual([MIXTURE]);
    const again = new Store(model);
    expect(again.pairsOf("match").complete).toBe(true);
    again.close();
    model.update({ epoch: 2 });
    expect([decodeFloats(model.get("match_rows")).length, store.readOuts]).toEqual([0, []]);
    expect(store.pairsOf("match").count).toBe(0);
    store.close();
    vi.useRealTimers();
  });

  test("offers what is there, and what Python may still be asked for", () => {
    vi.useFakeTimers();
    const { store } = open({ match_rows: encodeFloats(MATCH) });
    const offered = () =>
      ["match", "routing", "mixture 2", "mixture 9"].map((p) => store.offers(p));
    expect(offered()).toEqual([true, true, true, false]);
    vi.advanceTimersByTime(SILENCE + 1);
    expect(offered()).toEqual([true, true, false, false]);
    store.close();
    vi.useRealTimers();
  });

  test("asks again for what is left of a part, and says that the user stopped it", () => {
    const { model, store, asked } = open();
    store.request("mixture 2");
    give(model, "mixture 2", THROUGH, [0, 1]);
    model.receive({ type: "done", epoch: 1 });
    expect(asked().at(-1)).toMatchObject({ part: "mixture 2", features: every.slice(2) });
    model.receive({ type: "interrupted", epoch: 1 });
    expect(store.absence).toBe("interrupted");
    const before = asked().length;
    store.request("mixture 2");
    expect(asked()).toHaveLength(before);
    give(model, "mixture 2", THROUGH, every);
    expect([store.absence, store.awaited.complete]).toEqual(["computing", true]);
    store.close();
  });
});

describe("the view", () => {
  const cleanups: (() => void)[] = [];
  beforeEach(() => {
    const context = { clearRect() {}, putImageData() {} };
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(context as never);
  });
  afterEach(() => {
    for (const cleanup of cleanups.splice(0)) cleanup();
    vi.restoreAllMocks();
  });

  const frame = () => new Promise((resolve) => requestAnimationFrame(() => resolve(null)));
  const rest = async () => {
    await new Promise((resolve) => setTimeout(resolve, 160));
    await frame();
  };
  const LEDGER = {
    ...{ similarity: 0.5, pairs: 0.5, rows_only: 0, columns_only: 0, baseline: 0, residual: 0 },
    ...{ match: 0.7, routing: -0.2, left_out: 0, left_out_name: "", unit_scale: 1, terms: [] },
  };

  function show(traits: Partial<Traits> = {}) {
    const model = new FakeModel({
      ...{ parts: PARTS, rows: encodeFloats(ALL), match_rows: encodeFloats(MATCH) },
      ...{ ledger: LEDGER, similarity: 0.5, read_outs: [MIXTURE] },
      ...traits,
    });
    const { initialize, render } = widget();
    cleanups.push(initialize({ model }));
    const el = document.createElement("div");
    document.body.append(el);
    cleanups.push(render({ model, el }), () => el.remove());
    const root = el.firstElementChild as HTMLElement;
    const all = (selector: string) => [...root.querySelectorAll<HTMLElement>(selector)];
    const find = (selector: string) => all(selector)[0] as HTMLElement;
    const button = (value: string) => find(`.fpattr-choice [data-value="${value}"]`);
    const line = () => find(".fpattr-line").textContent;
    const chip = (row: number) => Number(find(`.fpattr-token[data-tokens="${row}"]`).dataset.value);
    return { model, root, all, find, button, line, chip };
  }
  const aria = (element: HTMLElement | undefined, name: string) =>
    element?.getAttribute(`aria-${name}`);
  const enter = async (element: HTMLElement) => {
    element.dispatchEvent(new PointerEvent("pointerenter"));
    await rest();
    await frame();
  };
  const leave = async (element: HTMLElement) => {
    element.dispatchEvent(new PointerEvent("pointerleave"));
    await rest();
    await frame();
  };
  const rowSum = (values: Float32Array, row: number) =>
    values.subarray(row * WIDTH, (row + 1) * WIDTH).reduce((sum, value) => sum + value, 0);

  test("shows match or routing by a switch, in words, numbers, list and line", async () => {
    const { model, root, button, line, chip, find, all } = show();
    await frame();
    expect(chip(5)).toBeCloseTo(rowSum(ALL, 5), 3);
    const first = () => all(".fpattr-strongest .fpattr-amount")[0]?.textContent;
    const strongest = first();
    button("match").click();
    await frame();
    expect(model.get("part")).toBe("match");
    expect([root.dataset.part, aria(button("match"), "pressed")]).toEqual(["match", "true"]);
    expect(chip(5)).toBeCloseTo(rowSum(MATCH, 5), 3);
    expect(first()).not.toBe(strongest);
    expect(line()).toMatch(/^Match: what the words meet in what is read of the picture\. \+\d/);
    expect(find(".fpattr-ledger").dataset.shown).toBe("match");
    model.update({ part: "routing" });
    await frame();
    expect(chip(5)).toBeCloseTo(rowSum(ALL, 5) - rowSum(MATCH, 5), 3);
    expect(line()).toMatch(/^Routing: what the words choose to read\. −/);
    expect(all(".fpattr-halves .fpattr-what").map((name) => name.textContent)).toEqual([
      ...["match", "routing"],
    ]);
    expect(find(".fpattr-whole").textContent).toBe("pairs +0.50");
    model.update({ part: "nothing of the kind" });
    await frame();
    expect([root.dataset.part, aria(button("all"), "pressed")]).toEqual([undefined, "true"]);
    expect(chip(5)).toBeCloseTo(rowSum(ALL, 5), 3);
  });

  test("has neither switch nor read-out where no head makes the score", async () => {
    const { find } = show({ parts: [], read_outs: [], ledger: { ...LEDGER, ...HEADLESS } });
    await frame();
    expect(find(".fpattr-readout").hidden).toBe(true);
    expect(find('[aria-label="Part of the pairs that is shown"]').hidden).toBe(true);
  });

  test("says what was read, and shows a place's own map while it is pointed at or pinned", async () => {
    const { model, root, find, all, line, chip } = show();
    await frame();
    expect(find(".fpattr-read-about").textContent).toContain("1.9 of 2 places");
    expect(find(".fpattr-read-about").textContent).toContain(
      "places +0.450 constant +0.050 = 0.500, the cosine · 0.400 without the caption’s choice",
    );
    const bars = all("button.fpattr-place");
    expect(bars.map(({ textContent }) => textContent)).toEqual([
      "read 30% adds +0.30 mixture 1",
      "read 57% adds +0.15 mixture 2",
      "read 13% nowhere",
      " adds +0.05 constant",
    ]);
    expect(bars.map(({ tabIndex }) => tabIndex)).toEqual([0, -1, -1, -1]);
    const second = bars[1] as HTMLElement;
    await enter(second);
    expect(find(".fpattr-readout [role=tooltip]").textContent).toMatch(/head 1.*25%.*head 2.*90%/);
    expect(model.sent.at(-1)).toMatchObject({ type: "features", part: "mixture 2", features: [] });
    expect([root.dataset.part, chip(5)]).toEqual(["mixture 2", Number.NaN]);
    model.receive(features([...Array(COUNT).keys()], 1, "mixture 2"), [encodeFloats(THROUGH)]);
    await frame();
    expect(chip(5)).toBeCloseTo(rowSum(THROUGH, 5), 3);
    expect(find(".fpattr-stage").hasAttribute("data-map")).toBe(true);
    await leave(second);
    expect([root.dataset.part, chip(5)]).toEqual([undefined, expect.closeTo(rowSum(ALL, 5), 3)]);
    second.click();
    await rest();
    await frame();
    expect([model.get("part"), aria(second, "pressed")]).toEqual(["mixture 2", "true"]);
    expect(line()).toMatch(/^Through mixture 2: /);
    await leave(second); // with its tooltip, which would take the first Escape
    root.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    await frame();
    expect([model.get("part"), root.dataset.part]).toEqual(["all", undefined]);
  });

  test("says why a place has no map where Python is not asked", async () => {
    const { model, root, all, find } = show({ parts: ["match", "routing"] });
    await frame();
    const bar = all("button.fpattr-place")[1] as HTMLElement;
    expect([aria(bar, "disabled"), bar.title]).toEqual(["true", expect.stringContaining("Python")]);
    await enter(bar);
    bar.click();
    await frame();
    expect([root.dataset.part, model.get("part")]).toEqual([undefined, "all"]);
    expect(find(".fpattr-readout [role=tooltip]").textContent).toContain("Its own map is not here");
  });

  test("shows the change between two captions first, and each on demand", async () => {
    const [text, picture] = sidesOf();
    const panel = text?.panels[0];
    const sides = [{ panels: [panel, { ...panel, weight: -1 }], folds: [] }, picture] as never;
    const { find, all } = show({ sides, read_outs: [MIXTURE, { ...MIXTURE, similarity: 0.3 }] });
    await frame();
    const choice = find(".fpattr-readout select") as HTMLSelectElement;
    expect([...choice.options].map(({ text }) => text)).toEqual([
      ...["first caption", "second caption", "first caption − second caption"],
    ]);
    expect(all("button.fpattr-place")[0]?.textContent).toBe("Δ read 0% Δ adds 0.00 mixture 1");
    choice.selectedIndex = 1;
    choice.dispatchEvent(new Event("change"));
    await frame();
    expect(find(".fpattr-read-about").textContent).toContain("= 0.300, the cosine");
  });

  test("says of a token that reads no patch what it reads", async () => {
    const [, second = []] = WINNERS.weights;
    const weights = [second.map(() => 0), second];
    const read = { ...WINNERS, weights, nowhere: [1, 0], winners: ["<bos>", "patch (2, 2)"] };
    const { find, all } = show({ read_outs: [read], parts: [] });
    await frame();
    expect(find(".fpattr-nowhere").textContent).toBe("no patch50%");
    expect(all(".fpattr-route").map(({ textContent }) => textContent)).toEqual([
      ...["snow reads <bos>, adds –", "red reads row 2, column 2, adds +0.250"],
    ]);
  });

  test("outlines the patch that a token reads alone", async () => {
    const { find, all } = show({ read_outs: [WINNERS], parts: [] });
    await frame();
    const outlined = () => find(".fpattr-won path").getAttribute("d");
    const [snow, red] = all(".fpattr-route");
    expect([snow?.textContent, red?.textContent]).toEqual([
      ...["snow reads row 1, column 3, adds +0.200", "red reads row 2, column 2, adds +0.250"],
    ]);
    expect(outlined()).toBeNull();
    await enter(red as HTMLElement);
    expect(outlined()).toBe("M1 1L2 1L2 2L1 2Z");
    expect(all(".fpattr-read-maps figcaption")[0]?.textContent).toBe("meets, ±0.500");
    await leave(red as HTMLElement);
    expect(outlined()).toBeNull();
    find('.fpattr-token[data-tokens="2,3"]').dispatchEvent(
      new PointerEvent("pointermove", { bubbles: true }),
    );
    await frame();
    expect(outlined()).toBe("M2 0L3 0L3 1L2 1Z");
  });

  test("names what a reading leaves out beside the method", async () => {
    const left = { match: null, routing: null, left_out: 0.01, left_out_name: "change of routing" };
    const { find } = show({ ledger: { ...LEDGER, ...left }, about: { model: "m", method: "x" } });
    await frame();
    expect(find(".fpattr-about > span").textContent).toBe("m · x · without change of routing");
  });

  test("names of places are text", async () => {
    const evil = '<img src=x onerror="globalThis.hacked=1">';
    const places = [`${evil} 1`, `${evil} 2`];
    const routes = [evil, evil];
    const { root, all } = show({
      read_outs: [{ ...MIXTURE, places, routes }],
      parts: [...PARTS, ...places],
    });
    await frame();
    await enter(all("button.fpattr-place")[0] as HTMLElement);
    expect(root.querySelectorAll(".fpattr-readout img")).toHaveLength(0);
    expect(all("button.fpattr-place")[0]?.dataset.place).toBe(`${evil} 1`);
  });
});

test("a difference takes rows that both have", () => {
  const special = [[false, false], [false]] as const;
  const [whole, part, rest] = [new Pairs(special), new Pairs(special), new Pairs(special)];
  whole.merge(Float32Array.of(3, 4));
  part.write(1, Float32Array.of(5));
  rest.takeDifference(whole, part);
  expect([rest.has(0), rest.has(1), rest.values[1]]).toEqual([false, true, -1]);
});
