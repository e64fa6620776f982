import { afterEach, beforeEach, expect, test, vi } from "vitest";
import gallery from "../src/gallery";
import type { GalleryOutgoing, GalleryTraits } from "../src/model/gallery_protocol";
import { SILENCE } from "../src/model/liveness";
import { QUIET } from "../src/model/saver";
import { AT_ONCE } from "../src/model/thumbnails";
import {
  choose,
  differenceOf,
  extentOf,
  type ItemState,
  type Place,
  step,
} from "../src/values/gallery";

function item(number: number, changed: Partial<ItemState> = {}): ItemState {
  return {
    ...{ name: `${number}.jpg`, score: 0.3 - number / 100, text: "", note: "", marked: false },
    ...{ pictured: true, place: number + 1 },
    ...changed,
  };
}

const items = (count: number) => Array.from({ length: count }, (_, number) => item(number));

/** A model as hosts have it, and what the page made of it. */
class FakeModel {
  readonly sent: GalleryOutgoing[] = [];
  readonly listeners = new Map<string, Set<(...values: unknown[]) => void>>();
  readonly traits: GalleryTraits;

  constructor(traits: Partial<GalleryTraits> = {}) {
    this.traits = {
      ...{ shelves: [{ title: "“a dog”", items: items(3) }], most_chosen: 2, hint: "Click one." },
      ...{ theme: "light", chosen: [], thumbnails: {} },
      ...traits,
    };
  }

  get<K extends keyof GalleryTraits>(key: K): GalleryTraits[K] {
    return this.traits[key];
  }

  set<K extends keyof GalleryTraits>(key: K, value: GalleryTraits[K]): void {
    this.traits[key] = value;
    this.emit(`change:${key}`);
  }

  save_changes(): void {
    throw new Error("all thumbnails would be sent");
  }

  send(message: GalleryOutgoing): void {
    this.sent.push(message);
  }

  // biome-ignore lint/suspicious/noExplicitAny: as hosts have it
  on(event: string, listener: (...values: any[]) => void): void {
    this.listeners.set(event, (this.listeners.get(event) ?? new Set()).add(listener));
  }

  // biome-ignore lint/suspicious/noExplicitAny: as hosts have it
  off(event: string, listener: (...values: any[]) => void): void {
    this.listeners.get(event)?.delete(listener);
  }

  emit(event: string, ...values: unknown[]): void {
    for (const listener of [...(this.listeners.get(event) ?? [])]) listener(...values);
  }

  answer(place: Place, made = true): void {
    const buffers = made ? [new DataView(new Uint8Array([255, 216]).buffer)] : [];
    this.emit("msg:custom", { type: "thumbnail", place, made }, buffers);
  }

  get asked(): string[] {
    return this.sent.flatMap((message) =>
      message.type === "thumbnails" ? message.items.map(String) : [],
    );
  }
}

/** Tells the gallery what is in sight. */
let observed: { see(element: Element, inSight: boolean): void };
const ends: (() => void)[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  class Observer {
    constructor(readonly call: (entries: unknown[]) => void) {
      observed = {
        see: (target, isIntersecting) => this.call([{ target, isIntersecting }]),
      };
    }
    observe(): void {}
    disconnect(): void {}
  }
  vi.stubGlobal("IntersectionObserver", Observer);
});

afterEach(() => {
  for (const end of ends.splice(0)) end();
  document.body.replaceChildren();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function show(traits: Partial<GalleryTraits> = {}) {
  const model = new FakeModel(traits);
  const { initialize, render } = gallery();
  ends.push(initialize({ model }));
  const el = document.createElement("div");
  document.body.append(el);
  ends.push(render({ model, el }));
  const root = el.firstElementChild as HTMLElement;
  const tiles = () => [...root.querySelectorAll<HTMLElement>(".fpattr-tile")];
  const tile = (number: number) => tiles()[number] as HTMLElement;
  const said = () => root.querySelector(".fpattr-choice-said")?.textContent;
  const buttons = () =>
    [...root.querySelectorAll<HTMLElement>(".fpattr-choice-bar button:not([hidden])")].map(
      ({ textContent }) => textContent,
    );
  const press = (name: string) => {
    const found = [...root.querySelectorAll("button")].find((one) => one.textContent === name);
    (found as HTMLElement).click();
  };
  const key = (number: number, name: string, shiftKey = false) =>
    tile(number).dispatchEvent(
      new KeyboardEvent("keydown", { key: name, shiftKey, bubbles: true, cancelable: true }),
    );
  const painted = () => vi.advanceTimersByTime(50);
  return { model, root, tiles, tile, said, buttons, press, key, painted };
}

test("what a click chooses", () => {
  const [a, b, c]: Place[] = [
    [0, 0],
    [0, 1],
    [1, 1],
  ];
  if (!a || !b || !c) throw new Error();
  expect(choose([], a, true, 2)).toEqual([a]);
  expect(choose([a], b, false, 2)).toEqual([b]);
  expect(choose([a], b, true, 2)).toEqual([a, b]);
  expect(choose([a, b], c, true, 2)).toEqual([a, c]);
  expect(choose([a, b], a, true, 2)).toEqual([b]);
  expect(choose([a], a, true, 2)).toEqual([a]);
  expect(choose([a], b, true, 1)).toEqual([b]);
  expect(choose([a, b], c, true, 3)).toEqual([a, b, c]);
});

test("where keys lead", () => {
  const from4 = (key: string) => step(key, 4, 8, 3);
  expect(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].map(from4)).toEqual([3, 5, 1, 7]);
  expect(["Home", "End", "PageDown", "x"].map(from4)).toEqual([0, 7, 7, undefined]);
  expect([step("ArrowUp", 1, 8, 3), step("ArrowDown", 6, 8, 3)]).toEqual([1, 7]);
  expect([step("ArrowLeft", 0, 8, 3), step("ArrowRight", 7, 8, 3)]).toEqual([0, 7]);
});

test("items in words", () => {
  const text = item(2, { pictured: false, text: "a dog", score: null });
  expect(differenceOf(item(0), item(1, { score: -0.05 }))).toBe("0.300 − (−0.050) = +0.350");
  expect(differenceOf(item(0), text)).toBe("");
  expect(extentOf(items(3))).toBe("3 pictures, scores from 0.300 to 0.280");
  expect(extentOf([text])).toBe("1 caption");
});

test("a click chooses one, with Shift a second, and Python hears of both", () => {
  const { model, tile, said, buttons, painted } = show();
  expect(said()).toBe("Click one.");
  expect(tile(1).textContent?.replace("cannot be read", "").trim()).toBe("2 0.290 1.jpg");
  expect(buttons()).toEqual([]);
  tile(1).click();
  painted();
  expect(said()).toBe("21.jpg, score 0.290");
  expect(buttons()).toEqual(["compare with another"]);
  tile(0).dispatchEvent(new MouseEvent("click", { shiftKey: true, bubbles: true }));
  painted();
  expect(said()).toBe("+21.jpg rather than −10.jpg: 0.290 − 0.300 = −0.010");
  expect([tile(0).dataset.standing, tile(1).dataset.standing]).toEqual(["second", "first"]);
  expect(tile(2).getAttribute("aria-selected")).toBe("false");
  expect(model.sent.filter(({ type }) => type === "choose")).toEqual([
    { type: "choose", chosen: [[0, 1]] },
    {
      type: "choose",
      chosen: [
        [0, 1],
        [0, 0],
      ],
    },
  ]);
  expect(model.traits.chosen).toHaveLength(2);
});

test("the button compares without Shift, and what it offers swaps and drops", () => {
  const { model, root, tile, said, press, painted, buttons } = show();
  tile(0).click();
  painted();
  press("compare with another");
  expect(said()).toBe("Choose what to compare 10.jpg with.");
  expect(root.hasAttribute("data-comparing")).toBe(true);
  expect(document.activeElement).toBe(tile(0));
  press("cancel");
  expect(buttons()).toEqual(["compare with another"]);
  press("compare with another");
  tile(2).click();
  painted();
  expect(model.traits.chosen.map(String)).toEqual(["0,0", "0,2"]);
  expect(root.hasAttribute("data-comparing")).toBe(false);
  press("swap");
  painted();
  expect(model.traits.chosen.map(String)).toEqual(["0,2", "0,0"]);
  press("only the first");
  painted();
  expect(model.traits.chosen.map(String)).toEqual(["0,2"]);
  tile(1).click();
  expect(model.traits.chosen.map(String)).toEqual(["0,1"]);
});

test("the keyboard walks, chooses and compares; Tab stops once", () => {
  const { model, root, tile, tiles, key, painted } = show();
  const stops = () => tiles().map((one) => one.getAttribute("tabindex"));
  expect(stops()).toEqual(["0", "-1", "-1"]);
  tile(0).focus();
  key(0, "ArrowRight");
  expect(document.activeElement).toBe(tile(1));
  expect(stops()).toEqual(["-1", "0", "-1"]);
  key(1, "Enter");
  key(1, "End");
  key(2, "Enter", true);
  painted();
  expect(model.traits.chosen.map(String)).toEqual(["0,1", "0,2"]);
  root.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
  expect(model.traits.chosen.map(String)).toEqual(["0,1"]);
});

test("a shelf of a few is shown whole, a longer one scrolls", () => {
  const isWhole = (count: number) =>
    show({ shelves: [{ title: "", items: items(count) }] })
      .root.querySelector(".fpattr-tiles")
      ?.hasAttribute("data-whole");
  expect([12, 13].map(isWhole)).toEqual([true, false]);
});

test("a gallery in which one can be chosen compares nothing", () => {
  const { model, tile, buttons, key, painted } = show({ most_chosen: 1 });
  tile(0).click();
  key(1, "Enter", true);
  painted();
  expect(model.traits.chosen).toEqual([[0, 1]]);
  expect(buttons()).toEqual([]);
});

test("thumbnails are asked for in sight, a few at a time, and once", () => {
  const { model, tile, tiles } = show({ shelves: [{ title: "", items: items(30) }] });
  expect(model.asked).toEqual([]);
  for (const element of tiles().slice(0, 20)) observed.see(element, true);
  expect(model.asked).toHaveLength(AT_ONCE);
  // Scrolled past before it was asked for.
  observed.see(tile(AT_ONCE), false);
  for (let number = 0; number < 3; number++) model.answer([0, number], number !== 1);
  expect(model.asked.slice(AT_ONCE)).toEqual(["0,13", "0,14", "0,15"]);
  observed.see(tile(1), false);
  observed.see(tile(1), true);
  expect(new Set(model.asked).size).toBe(model.asked.length);
  const shown = (number: number) => tile(number).querySelector("img");
  expect(shown(0)?.hidden).toBe(false);
  expect(shown(0)?.src).toMatch(/^blob:/);
  expect(shown(3)?.hidden).toBe(true);
  expect(tile(1).textContent).toContain("cannot be read");
  expect(tile(1).querySelector<HTMLElement>(".fpattr-tile-missing")?.hidden).toBe(false);
});

test("what arrived is put into the state, and never sent back", () => {
  const { model, tile } = show();
  observed.see(tile(0), true);
  model.answer([0, 0]);
  vi.advanceTimersByTime(QUIET);
  expect(Object.keys(model.traits.thumbnails)).toEqual(["0/0"]);
  expect(model.sent.map(({ type }) => type)).toEqual(["thumbnails"]);
});

test("a saved gallery shows what was seen, and says what is not there", () => {
  const data = new DataView(new Uint8Array([255, 216]).buffer);
  const { model, root, tile } = show({ thumbnails: { "0/1": data }, chosen: [[0, 1]] });
  expect(tile(1).querySelector("img")?.hidden).toBe(false);
  expect(tile(1).dataset.standing).toBe("alone");
  expect(tile(1).tabIndex).toBe(0);
  observed.see(tile(1), true);
  expect(model.asked).toEqual([]);
  observed.see(tile(2), true);
  vi.advanceTimersByTime(SILENCE + 100);
  const trouble = root.querySelector<HTMLElement>(".fpattr-gallery-trouble");
  expect(trouble?.hidden).toBe(false);
  expect(trouble?.textContent).toContain("no kernel answers");
  // Once one does, it is asked again.
  observed.see(tile(0), true);
  expect(model.asked).toEqual(["0,2", "0,0", "0,2"]);
  model.answer([0, 2]);
  vi.advanceTimersByTime(50);
  expect(trouble?.hidden).toBe(true);
});

test("Python chooses, and shows other shelves", () => {
  const { model, root, tile, said, painted } = show();
  model.set("chosen", [[0, 2]]);
  painted();
  expect(tile(2).getAttribute("aria-selected")).toBe("true");
  model.traits.chosen = [];
  model.set("shelves", [{ title: "<b>", items: [item(0, { pictured: false, text: "<i>" })] }]);
  painted();
  expect(root.querySelector(".fpattr-shelf-title")?.textContent).toBe("<b>");
  expect(root.querySelector("b, i")).toBeNull();
  expect(root.querySelector<HTMLElement>(".fpattr-tiles")?.dataset.kind).toBe("texts");
  tile(0).click();
  painted();
  expect(said()).toBe("1“<i>”, score 0.300");
});

test("nothing is left behind", () => {
  const { model, root } = show();
  for (const end of ends.splice(0).reverse()) end();
  expect([...model.listeners.values()].reduce((sum, { size }) => sum + size, 0)).toBe(0);
  expect(root.isConnected).toBe(false);
});
