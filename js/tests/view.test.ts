import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import widget from "../src/index";
import { encodeFloats } from "../src/model/bytes";
import { PROTOCOL, type Traits } from "../src/model/protocol";
import type { TokenState } from "../src/values/shapes";
import { FakeModel, features, HEADLESS, rowsBuffer, sidesOf, tokensOf } from "./model";

const ALL = [0, 1, 2, 3, 4, 5, 6];
const EVIL = ['<img src=x onerror="globalThis.hacked=1">', "</script>", "<b>&amp;</b>"];
const GIF = Uint8Array.from(atob("R0lGODlhAQABAAAAACwAAAAAAQABAAA="), (c) => c.charCodeAt(0));

const RED = tokensOf([["red", 0, 0, 3]]);

const cleanups: (() => void)[] = [];
/** RGBA of what stands on the canvas, one pixel a patch; empty when it was cleared. */
let pixels: number[][] = [];

beforeEach(() => {
  pixels = [];
  const context = {
    clearRect() {
      pixels = [];
    },
    putImageData({ data }: ImageData) {
      pixels = Array.from({ length: data.length / 4 }, (_, i) => [
        ...data.subarray(4 * i, 4 * i + 4),
      ]);
    },
  };
  const other = { clearRect() {}, putImageData() {} };
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation(function (
    this: HTMLCanvasElement,
  ) {
    return (this.className === "fpattr-heat" ? context : other) as never;
  });
});

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
  vi.restoreAllMocks();
});

function show(traits: Partial<Traits> = {}) {
  const model = new FakeModel(traits);
  const { initialize, render } = widget();
  cleanups.push(initialize({ model }));
  const el = document.createElement("div");
  document.body.append(el);
  const clean = render({ model, el });
  cleanups.push(clean, () => el.remove());
  const root = el.firstElementChild as HTMLElement;
  const find = <T extends Element = HTMLElement>(selector: string) => {
    const found = root.querySelector<T & Element>(selector);
    if (!found) throw new Error(`no ${selector}`);
    return found as T;
  };
  const stage = find(".fpattr-stage");
  // 300 × 200 for 2 × 3 patches: each is a square of 100.
  stage.getBoundingClientRect = () => new DOMRect(0, 0, 300, 200);
  return { model, el, root, find, stage, clean, render };
}

const known = (tokens = ALL) => {
  const values = new Float32Array(49).fill(Number.NaN);
  const rows = new Float32Array(rowsBuffer(ALL).buffer);
  for (const token of tokens) values.set(rows.subarray(token * 7, token * 7 + 7), token * 7);
  return { rows: encodeFloats(values) };
};

const frame = () => new Promise((resolve) => requestAnimationFrame(() => resolve(null)));

/** The time for which a map stays while the pointer is between two words, and what is painted then. */
async function grace() {
  await new Promise((resolve) => setTimeout(resolve, 150));
  await frame();
}

async function point(type: string, target: Element, options: PointerEventInit = {}) {
  const basics = { bubbles: true, pointerId: 1, pointerType: "mouse", button: 0 };
  target.dispatchEvent(new PointerEvent(type, { ...basics, ...options }));
  await frame();
}

async function press(target: Element, key: string, options: KeyboardEventInit = {}) {
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, ...options }));
  await frame();
}

/** The middle of a patch of the fake picture. */
const at = (patch: number) => ({
  clientX: (patch % 3) * 100 + 50,
  clientY: Math.floor(patch / 3) * 100 + 50,
});

describe("untrusted text", () => {
  test("is shown as text, wherever it stands", async () => {
    const [evil = "", close = "", bold = ""] = EVIL;
    const caption = `${evil} ${close}`;
    const tokens: TokenState[] = [
      ...tokensOf([bold]),
      ...tokensOf([
        [evil, 0, 0, evil.length],
        [close, 1, evil.length + 1, caption.length],
      ]),
    ];
    const { root, model, find } = show({
      sides: sidesOf({ text: caption, tokens, grid: [1, 1], names: [bold] }),
      about: { model: evil, method: close },
      rows: encodeFloats(Float32Array.of(1, 2, 3, 4, 5, 6)),
      selected_rows: [1],
    });
    model.receive({ type: "failure", epoch: 1, message: evil });
    await frame();
    expect(root.querySelectorAll("img")).toHaveLength(1);
    expect(root.querySelector("b, script")).toBeNull();
    expect(find(".fpattr-caption").textContent).toBe(`${bold} ${caption}`);
    expect(find(".fpattr-failure").textContent).toContain(evil);
    expect(find(".fpattr-about > span").textContent).toBe(`${evil} · ${close}`);
    expect(find(".fpattr-special").textContent).toBe(bold);
    expect(find(".fpattr-line").textContent).toContain("<img src=x onerr");
    const names = [...root.querySelectorAll(".fpattr-name")].map((name) => name.textContent);
    expect(new Set(names)).toEqual(new Set([close, evil, bold]));
    expect("hacked" in globalThis).toBe(false);
  });
});

describe("with no rows", () => {
  test("the words and the picture are there at once, and progress is told", () => {
    const { root, find } = show({
      sides: sidesOf({ data: new DataView(GIF.buffer), media_type: "image/gif" }),
    });
    expect(find(".fpattr-caption").textContent).toBe("BOS a snowman, red EOS");
    expect(find<HTMLImageElement>("img").src).toMatch(/^blob:/);
    const bar = find("[role=progressbar]");
    expect([bar.ariaValueNow ?? bar.getAttribute("aria-valuenow")]).toEqual(["0"]);
    expect(bar.getAttribute("aria-valuemax")).toBe("7");
    expect(root.dataset.shown).toBe("");
  });

  test("rows that arrive are painted, and the bar goes", async () => {
    const { model, root, find } = show();
    const chip = find(".fpattr-token[data-tokens='2,3']");
    await point("pointermove", chip);
    expect(model.sent.at(-1)).toEqual(features([2, 3]));
    expect(find(".fpattr-line").textContent).toBe("“snowman” × all patches: being computed …");
    model.receive(features(ALL), [rowsBuffer(ALL)]);
    await frame();
    expect(find(".fpattr-line").textContent).toContain("all patches: −");
    expect(pixels).toHaveLength(6);
    expect(root.querySelector("[role=progressbar]")).toBeNull();
  });

  test("silence is said in words", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { find } = show(known([1]));
    vi.advanceTimersByTime(3000);
    vi.useRealTimers();
    await frame();
    expect(find(".fpattr-line").textContent).toContain("6 of 7 tokens were not computed when");
    await point("pointermove", find(".fpattr-token[data-tokens='5']"));
    expect(find(".fpattr-line").textContent).toContain("not computed when this notebook was saved");
  });
});

describe("the pointer", () => {
  test("on a word shows its map: one fill for each patch, on the shared scale", async () => {
    const { root, find } = show(known());
    await point("pointermove", find(".fpattr-token[data-tokens='5']"));
    expect(root.dataset.shown).toBe("tokens:5");
    const canvas = find<HTMLCanvasElement>(".fpattr-heat");
    expect([canvas.width, canvas.height]).toEqual([3, 2]);
    expect(Number(canvas.dataset.limit)).toBeCloseTo(5.6, 5);
    expect(pixels).toHaveLength(6);
    expect(pixels[5]).toEqual([33, 102, 172, Math.round(0.85 * 255)]);
    expect(find(".fpattr-stage").hasAttribute("data-map")).toBe(true);
    await point("pointermove", find(".fpattr-token[data-tokens='1']"));
    expect(pixels[5]?.[3]).toBeLessThan(0.85 * 255 * 0.5);
    await point("pointerleave", find(".fpattr-text"));
    expect(root.dataset.shown).toBe("tokens:1"); // the next word may be near
    await grace();
    expect(root.dataset.shown).toBe("");
    expect(pixels).toHaveLength(0);
    expect(find(".fpattr-stage").hasAttribute("data-map")).toBe(false);
  });

  test("on a patch tints the words by their sums", async () => {
    const { root, find, stage } = show(known());
    await point("pointermove", stage, at(2));
    expect(root.dataset.shown).toBe("patches:2");
    const word = find(".fpattr-token[data-tokens='2,3']");
    expect(Number(word.dataset.value)).toBeCloseTo(2.3 - 3.3, 5);
    expect(word.style.backgroundColor).toMatch(/^rgba\(33, 102, 172/);
    expect(find(".fpattr-token[data-tokens='4']").style.backgroundColor).toMatch(
      /^rgba\(178, 24, 43/,
    );
    expect(find(".fpattr-line").textContent).toMatch(
      /^patch row 1, column 3 × all words: −3\.300 · BOS \+0\.300 · EOS \+6\.300 · together \+3\.300/,
    );
  });

  test("drags pin a region, shift adds, alt takes away, Escape clears", async () => {
    const { model, root, stage } = show(known());
    const drag = async (from: number, to: number, options: PointerEventInit = {}) => {
      await point("pointerdown", stage, { ...at(from), ...options });
      await point("pointermove", stage, { ...at(to), ...options });
      await point("pointerup", stage, { ...at(to), ...options });
    };
    await drag(0, 4);
    expect(model.get("selected_columns")).toEqual([1, 2, 4, 5]);
    await drag(2, 2, { shiftKey: true });
    await drag(0, 3, { altKey: true });
    expect(model.get("selected_columns")).toEqual([2, 3, 5]);
    await press(stage, "Escape");
    expect(model.get("selected_columns")).toEqual([]);
    expect(root.dataset.shown).toBe("");
  });

  test("drags over words pin a span, and a click on what alone is pinned lets go", async () => {
    const { model, find } = show(known());
    const [a, red] = [
      find(".fpattr-token[data-tokens='1']"),
      find(".fpattr-token[data-tokens='5']"),
    ];
    document.elementFromPoint = () => red;
    await point("pointerdown", a);
    await point("pointermove", a);
    await point("pointerup", a);
    expect(model.get("selected_rows")).toEqual([1, 2, 3, 4, 5]);
    for (const expected of [[5], []]) {
      await point("pointerdown", red);
      await point("pointerup", red);
      expect(model.get("selected_rows")).toEqual(expected);
    }
  });
});

test("with both sides pinned the line reads their joint value; hovering previews over pins", async () => {
  const { root, find, stage } = show({
    ...known(),
    selected_rows: [4],
    selected_columns: [1, 2],
  });
  const outlines = () =>
    [...root.querySelectorAll(".fpattr-over")].map((path) => path.getAttribute("d"));
  const pinned = "M0 0L2 0L2 1L0 1Z";
  const joint = /^“,” × 2 patches: \+8\.300 · all patches \+26\.100$/;
  expect(root.dataset.shown).toBe("tokens:4 patches:0,1");
  expect(find(".fpattr-line").textContent).toMatch(joint);
  expect(outlines()).toEqual([null, pinned]);
  await point("pointermove", stage, at(5));
  expect(root.dataset.shown).toBe("tokens:4 patches:5");
  expect(find(".fpattr-line").textContent).toMatch(/^“,” × patch row 2, column 3: \+4\.600/);
  expect(outlines()).toEqual([pinned, "M2 1L3 1L3 2L2 2Z"]);
  // On what is pinned all of it is shown, and only the value at the pointer is of one.
  await point("pointermove", stage, at(1));
  expect([root.dataset.shown, stage.dataset.readout]).toEqual(["tokens:4 patches:0,1", "+4.200"]);
  await point("pointermove", find(".fpattr-token[data-tokens='5']"));
  expect(root.dataset.shown).toBe("tokens:5 patches:0,1");
  expect(find(".fpattr-token[data-tokens='4']").hasAttribute("data-pinned")).toBe(true);
  await point("pointerleave", find(".fpattr-text"));
  await grace();
  expect(root.dataset.shown).toBe("tokens:4 patches:0,1");
  expect(find(".fpattr-line").textContent).toMatch(joint);
});

describe("a picture of other proportions than its grid", () => {
  test("is shown in its own, and its patches are pointed at as they lie", async () => {
    const { root, stage, find } = show(known());
    const image = find<HTMLImageElement>(".fpattr-img");
    Object.defineProperties(image, { naturalWidth: { value: 900 }, naturalHeight: { value: 300 } });
    image.dispatchEvent(new Event("load"));
    await frame();
    expect(stage.style.getPropertyValue("--fpattr-aspect")).toBe("3");
    stage.getBoundingClientRect = () => new DOMRect(10, 20, 300, 100);
    const middle = { clientX: 10 + 50, clientY: 20 + 75 };
    await point("pointermove", stage, middle);
    expect(root.dataset.shown).toBe("patches:3"); // the first of the second row
    expect(stage.style.getPropertyValue("--fpattr-y")).toBe("0.5");
    expect(stage.style.getPropertyValue("--fpattr-patch")).toBe("0.5");
    await point("pointerdown", stage, middle);
    await point("pointermove", stage, { clientX: 10 + 250, clientY: 20 + 60 });
    await point("pointerup", stage, { clientX: 10 + 250, clientY: 20 + 60 });
    expect(root.dataset.shown).toBe("patches:3,4,5");
  });
});

describe("the keyboard", () => {
  test("walks the words, extends a span and pins", async () => {
    const { model, root, find } = show(known());
    find(".fpattr-token").focus();
    const active = () => root.querySelector(".fpattr-token[tabindex='0']") as HTMLElement;
    await press(active(), "ArrowRight");
    expect(active().textContent).toBe("a");
    expect(root.dataset.shown).toBe("tokens:1");
    await press(active(), "ArrowRight", { shiftKey: true });
    expect(model.get("selected_rows")).toEqual([1, 2, 3]);
    await press(active(), "ArrowRight", { shiftKey: true });
    expect(model.get("selected_rows")).toEqual([1, 2, 3, 4]);
    await press(active(), "Enter");
    await press(active(), "Enter");
    expect(model.get("selected_rows")).toEqual([]);
    expect(root.querySelectorAll(".fpattr-token[tabindex='0']")).toHaveLength(1);
  });

  test("walks to the left where text is read from the right", async () => {
    const { root, find } = show(known());
    find(".fpattr-text").style.direction = "rtl";
    await press(find(".fpattr-token"), "ArrowLeft");
    expect(root.dataset.shown).toBe("tokens:1");
  });

  test("walks the patches, extends a rectangle and pins", async () => {
    const { model, root, stage } = show(known());
    for (let times = 0; times < 4; times++) await press(stage, "ArrowRight");
    expect(root.dataset.shown).toBe("patches:2");
    await press(stage, "ArrowLeft");
    expect(root.dataset.shown).toBe("patches:1");
    expect(stage.getAttribute("aria-label")).toContain("row 1, column 2");
    await press(stage, "ArrowDown", { shiftKey: true });
    await press(stage, "ArrowRight", { shiftKey: true });
    await press(stage, "Enter");
    expect(model.get("selected_columns")).toEqual([2, 3, 5, 6]);
  });
});

describe("settings", () => {
  const press = (root: HTMLElement, value: string) =>
    root.querySelector<HTMLElement>(`.fpattr-choice [data-value='${value}']`)?.click();

  test("are traits, which the panel changes and Python too", async () => {
    const { model, root, find } = show({ ...known(), selected_rows: [1] });
    const panel = find(".fpattr-display");
    expect(panel.hidden).toBe(true);
    find(".fpattr-tools [aria-expanded]").click();
    expect(panel.hidden).toBe(false);
    const limit = () => Number(find(".fpattr-heat").dataset.limit);
    expect(limit()).toBeCloseTo(5.6, 5);
    press(root, "own");
    await frame();
    expect([model.get("scale"), model.saves.length]).toEqual(["own", 1]);
    expect(limit()).toBeCloseTo(1.6, 5);
    model.update({ scale: "shared", opacity: 0.5, smooth: true, keep_colour: true });
    await frame();
    expect(limit()).toBeCloseTo(5.6, 5);
    expect(find(".fpattr-heat").style.opacity).toBe("0.5");
    expect(find(".fpattr-stage").hasAttribute("data-smooth")).toBe(true);
    expect(find(".fpattr-stage").hasAttribute("data-colour")).toBe(true);
    expect(pixels).toHaveLength(6 * 8 * 8);
    for (const [value, pressed] of [
      ["shared", true],
      ["own", false],
      ["smooth", true],
    ] as const) {
      const button = find(`.fpattr-choice [data-value='${value}']`);
      expect(button.getAttribute("aria-pressed")).toBe(String(pressed));
    }
  });

  test("one sign alone is painted and listed", async () => {
    const { root, model } = show({ ...known(), selected_rows: [1] });
    expect(pixels.every(([, , , alpha]) => (alpha ?? 0) > 0)).toBe(true);
    press(root, "for");
    await frame();
    expect(model.get("signs")).toBe("for");
    expect(pixels.every(([, , , alpha]) => alpha === 0)).toBe(true);
    // Words of this model have negative sums alone, BOS and EOS positive ones.
    const listed = () =>
      [...root.querySelectorAll<HTMLElement>(".fpattr-strongest button")].map(
        (button) => button.dataset.sign,
      );
    expect(listed()).toEqual(["positive", "positive", "positive"]);
    press(root, "against");
    await frame();
    expect(pixels.every(([, , , alpha]) => (alpha ?? 0) > 0)).toBe(true);
    expect(listed()).toEqual(Array(5).fill("negative"));
  });

  test("the caption can be cut as the model reads it", async () => {
    const { root, model, find } = show(known());
    press(root, "tokens");
    await frame();
    const texts = [...root.querySelectorAll(".fpattr-token")].map((chip) => chip.textContent);
    expect(texts).toEqual(["BOS", "a", "snow", "man", ",", "red", "EOS"]);
    expect(find(".fpattr-caption").textContent).toBe("BOS a snowman, red EOS");
    await point("pointermove", find(".fpattr-token[data-tokens='3']"));
    expect(root.dataset.shown).toBe("tokens:3");
    model.update({ level: "words" });
    await frame();
    expect(find(".fpattr-token[data-tokens='2,3']").textContent).toBe("snowman");
  });
});

test("CLS can be looked at and pinned, and is no patch", async () => {
  const { find, root, model } = show(known());
  find(".fpattr-special").click();
  await frame();
  expect(root.dataset.shown).toBe("specials:0");
  expect(Number(find(".fpattr-token[data-tokens='4']").dataset.value)).toBe(4);
  expect(model.get("selected_columns")).toEqual([0]);
});

const LEDGER = {
  similarity: 0.5,
  pairs: 0.4,
  rows_only: 0.2,
  columns_only: 0,
  baseline: -0.1,
  residual: 0,
  unit_scale: 1,
  ...HEADLESS,
  terms: [],
};

describe("the ledger", () => {
  const steps = (root: HTMLElement) =>
    [...root.querySelectorAll<HTMLElement>(".fpattr-step")].map((step) =>
      [...step.children].map(({ textContent }) => textContent).join(""),
    );

  test("leads in signed steps to the similarity", () => {
    const { root, find } = show({ ...known(), ledger: LEDGER, similarity: 0.5 });
    expect(steps(root)).toEqual([
      "+0.40pairs",
      "+0.20caption alone",
      "0.00image alone",
      "−0.10baseline",
      "= 0.50together",
    ]);
    expect(find(".fpattr-ledger").getAttribute("aria-label")).toBe(
      "Ledger: pairs +0.40, caption alone +0.20, image alone 0.00, baseline −0.10; together 0.50",
    );
  });

  test("is in the unit that Python names, with the digits that it needs", () => {
    const ledger = { ...LEDGER, similarity: 50, pairs: 40, rows_only: 20, baseline: -10 };
    const about = { unit_label: "difference of logits" };
    const { root, find } = show({ ...known(), ledger, about, similarity: 50 });
    expect(steps(root).at(-1)).toBe("= 50.0together");
    expect(find(".fpattr-score").textContent).toBe("50.0difference of logits");
  });

  test("explains a step where the pointer or the focus is, until Escape", async () => {
    const { root, find, model } = show({
      ...known(),
      ledger: LEDGER,
      similarity: 0.5,
      selected_rows: [1],
    });
    const tooltip = find("[role=tooltip]");
    const [pairs, , , baseline] = root.querySelectorAll<HTMLElement>(".fpattr-step");
    expect(tooltip.hidden).toBe(true);
    await point("pointerenter", pairs as Element, { bubbles: false });
    expect(tooltip.textContent).toMatch(/^pairs \+0\.40What words and patches add together/);
    expect(pairs?.getAttribute("aria-describedby")).toBe(tooltip.id);
    // The pointer may rest on the tooltip.
    await point("pointerleave", pairs as Element, { bubbles: false, relatedTarget: tooltip });
    expect(tooltip.hidden).toBe(false);
    await point("pointerleave", tooltip, { bubbles: false, relatedTarget: root });
    expect(tooltip.hidden).toBe(true);
    baseline?.focus();
    expect(tooltip.textContent).toMatch(/^baseline −0\.10/);
    expect(pairs?.hasAttribute("aria-describedby")).toBe(false);
    await press(baseline as Element, "Escape");
    expect([tooltip.hidden, model.get("selected_rows")]).toEqual([true, [1]]);
    await press(baseline as Element, "Escape");
    expect(model.get("selected_rows")).toEqual([]);
  });

  test("stays, faint, while something else is computed", async () => {
    const { root, find, model } = show({ ...known(), ledger: LEDGER, similarity: 0.5 });
    expect(find(".fpattr-header").hasAttribute("data-stale")).toBe(false);
    const before = steps(root);
    model.update({ epoch: 2, sides: sidesOf({ text: "a snowman, blu" }) });
    await frame();
    expect(find(".fpattr-header").hasAttribute("data-stale")).toBe(true);
    expect([steps(root), find(".fpattr-number").textContent]).toEqual([before, "0.50"]);
    expect(find(".fpattr-ledger").getAttribute("aria-label")).toBe("Ledger: not computed yet");
    model.update({ ledger: { ...LEDGER, pairs: 0.5, similarity: 0.6 }, similarity: 0.6 });
    await frame();
    expect(find(".fpattr-header").hasAttribute("data-stale")).toBe(false);
    expect(steps(root)[0]).toBe("+0.50pairs");
  });

  test("says so where pairs do not add up to the similarity, and draws no step", async () => {
    const ledger = { ...LEDGER, pairs: 83.1, residual: -82.7 };
    const { root, find } = show({ ...known(), ledger, similarity: 0.5 });
    expect(find(".fpattr-ledger").textContent).toContain("do not add up to the similarity");
    expect(root.querySelector(".fpattr-step")).toBeNull();
  });
});

describe("the help", () => {
  test("opens over the card, explains what is there, and gives the focus back", async () => {
    const about = { layers: "text block 0", nodes: "text 4 nodes" };
    const { find, root, model } = show({ ...known(), about, selected_rows: [1] });
    const [button, help] = [find(".fpattr-ask"), find(".fpattr-help")];
    expect([help.hidden, button.getAttribute("aria-expanded")]).toEqual([true, "false"]);
    button.click();
    expect([help.hidden, button.getAttribute("aria-expanded")]).toEqual([false, "true"]);
    expect(document.activeElement).toBe(help);
    const terms = [...help.querySelectorAll("dt")].map(({ textContent }) => textContent);
    expect(terms).toContain("BOS, EOS and CLS");
    expect(terms).not.toContain("PAD");
    expect(help.textContent).toContain("text block 0 · text 4 nodes");
    await press(help, "Escape");
    expect([help.hidden, document.activeElement]).toEqual([true, button]);
    expect(model.get("selected_rows")).toEqual([1]);
    button.click();
    await point("pointerdown", root);
    expect(help.hidden).toBe(true);
  });

  test("tells a difference from a sum, folded or not, and unknown words where there are some", async () => {
    const [text, image] = sidesOf();
    const part = (weight: number) => ({ ...text?.panels[0], weight });
    const sides = (weights: number[]) =>
      [{ panels: weights.map(part), folds: [{ name: "a", features: [1, 8] }] }, image] as never;
    const { find, model } = show({ sides: sides([1, 1]) });
    const said = () => {
      if (find(".fpattr-help").hidden) find(".fpattr-ask").click();
      return find(".fpattr-help").textContent;
    };
    expect(said()).toContain("Red raises the score");
    expect(said()).not.toContain("Dotted word");
    for (const fold of [false, true]) {
      model.update({ epoch: fold ? 3 : 2, sides: sides([1, -1]), fold });
      await frame();
      expect(said()).toContain("Red speaks for what is added");
      expect(said()).toContain("how far it went up and came back");
    }
    const tokens = RED.map((token) => ({ ...token, unknown: true }));
    model.update({ epoch: 4, sides: sidesOf({ text: "red", tokens }) });
    await frame();
    expect(said()).toContain("Dotted word");
  });

  test("explains padding where there is some", () => {
    const tokens = tokensOf([["red", 0, 0, 3], "PAD", "PAD", "PAD"]);
    const { find } = show({ sides: sidesOf({ text: "red", tokens }) });
    find(".fpattr-ask").click();
    expect(find(".fpattr-help").textContent).toContain("PAD can be the reddest");
  });
});

describe("all words and places", () => {
  const sums = (line: string) =>
    [...line.matchAll(/([+−][\d.]+)/g)].map(([text]) => Number(text?.replace("−", "-")));

  test("a word's line says what special positions add, and the chip what is together", async () => {
    const { find } = show(known());
    const chip = find(".fpattr-token[data-tokens='4']");
    expect(chip.dataset.value).toBe("30.1");
    await point("pointermove", chip);
    expect(find(".fpattr-line").textContent).toMatch(
      /^“,” × all patches: \+26\.100 · CLS \+4\.000 · together \+30\.100 · strongest patch row 2/,
    );
    expect(chip.dataset.readout).toBe("+30.100");
    expect(find(".fpattr-special").dataset.number).toBe("+4.000");
  });

  test("a place's line says what special tokens add", async () => {
    const { find, stage } = show(known());
    await point("pointermove", stage, at(1));
    const text = find(".fpattr-line").textContent ?? "";
    expect(text).toMatch(
      /^patch row 1, column 2 × all words: −3\.200 · BOS \+0\.200 · EOS \+6\.200/,
    );
    const [words = 0, bos = 0, eos = 0, together = 0] = sums(text);
    expect(words + bos + eos).toBeCloseTo(together, 3);
    expect(stage.dataset.readout).toBe("+3.200");
  });

  test("what is hovered adds up, by words and by places, special ones too", async () => {
    const { find, root, stage, model } = show(known());
    let byWords = 0;
    for (const chip of root.querySelectorAll<HTMLElement>(".fpattr-token")) {
      await point("pointermove", chip);
      byWords += Number(chip.dataset.readout?.replace("−", "-"));
    }
    await point("pointerleave", find(".fpattr-text"));
    await grace();
    let byPlaces = Number(find(".fpattr-special").dataset.number?.replace("−", "-"));
    for (const patch of [0, 1, 2, 3, 4, 5]) {
      await point("pointermove", stage, at(patch));
      byPlaces += Number(stage.dataset.readout?.replace("−", "-"));
    }
    const rows = new Float32Array((model.get("rows") as DataView).buffer);
    const whole = rows.reduce((sum, value) => sum + value, 0);
    expect(byWords).toBeCloseTo(whole, 3);
    expect(byPlaces).toBeCloseTo(whole, 3);
  });

  test("many special positions are told together, and those that add nothing not at all", async () => {
    const names = ["CLS", "register 1", "register 2", "register 3"];
    const tokens = tokensOf(["BOS", ["red", 0, 0, 3]]);
    const rows = (...values: number[]) =>
      encodeFloats(Float32Array.from([0, 0, 0, 0, 0, ...values]));
    const options = { sides: sidesOf({ text: "red", tokens, grid: [1, 1], names }) };
    const { find, model } = show({ ...options, rows: rows(1, 2, 0, 3, 5) });
    const chip = find(".fpattr-token[data-tokens='1']");
    await point("pointermove", chip);
    expect(find(".fpattr-line").textContent).toMatch(
      /patches: \+5\.000 · 3 special positions \+6\.000 · together \+11\.000/,
    );
    model.update({ epoch: 2, rows: rows(0, 0, 0, 0, 5) });
    await frame();
    await point("pointermove", find(".fpattr-token[data-tokens='1']"));
    expect(find(".fpattr-line").textContent).toMatch(/^“red” × all patches: \+5\.000 · strongest/);
  });

  test("special positions are among the strongest pairs, and can be pinned there", async () => {
    const { root, model } = show(known());
    await frame();
    await frame();
    const buttons = [...root.querySelectorAll<HTMLElement>(".fpattr-strongest button")];
    const cls = buttons.find((button) => button.textContent?.startsWith("EOS↔ CLS"));
    expect(cls?.querySelector(".fpattr-amount")?.textContent).toBe("+6.000");
    cls?.click();
    await frame();
    expect([model.get("selected_rows"), root.dataset.shown]).toEqual([[6], "tokens:6 specials:0"]);
    expect(cls?.getAttribute("aria-pressed")).toBe("true");
  });

  test("shares are of all magnitudes, and none are told while rows are missing", async () => {
    const shares = async (traits: Partial<Traits>) => {
      const { root } = show(traits);
      await frame();
      await frame(); // the list comes after all else
      return [...root.querySelectorAll(".fpattr-share")].map((share) => share.textContent);
    };
    const all = await shares(known());
    // Half of the mass of EOS, 6.6 + 6.5 + 6.4, of magnitudes that sum up to 161.7.
    expect(all[0]).toBe("12%");
    expect(all.every((text) => /^\d+%$/.test(text ?? ""))).toBe(true);
    expect(new Set(await shares(known([1, 4, 6])))).toEqual(new Set([""]));
  });
});

describe("the overview", () => {
  const cells = (root: HTMLElement) => [...root.querySelectorAll<HTMLElement>(".fpattr-cell")];

  test("has a small map of each word, on one scale, painted after the first frame", async () => {
    const { root, find } = show({ ...known(), ledger: LEDGER });
    const width = () => find<HTMLCanvasElement>(".fpattr-colours").width;
    expect([cells(root).length, width()]).toEqual([3, 300]); // as a canvas is that has nothing
    await frame();
    await frame();
    expect(width()).toBe(3);
    expect(cells(root).map(({ textContent }) => textContent)).toEqual(["a", "snowman", "red"]);
    expect(cells(root)[2]?.getAttribute("aria-label")).toBe("red, all patches −32.100");
    expect(find(".fpattr-overview > p").textContent).toBe("All wordsone scale, ±5.600");
  });

  test("is linked: a map is its word", async () => {
    const { root, model, find } = show(known());
    await frame();
    await frame();
    const [a, snowman] = cells(root) as [HTMLElement, HTMLElement];
    await point("pointerenter", snowman, { bubbles: false });
    expect(root.dataset.shown).toBe("tokens:2,3");
    expect(snowman.hasAttribute("data-chosen")).toBe(true);
    snowman.click();
    await frame();
    expect([model.get("selected_rows"), snowman.getAttribute("aria-pressed")]).toEqual([
      [2, 3],
      "true",
    ]);
    snowman.click();
    await frame();
    expect(model.get("selected_rows")).toEqual([]);
    await point("pointermove", find(".fpattr-token[data-tokens='1']"));
    expect([a, snowman].map((cell) => cell.hasAttribute("data-chosen"))).toEqual([true, false]);
  });

  test("is one stop of the Tab key; arrows walk through it", async () => {
    const { root } = show(known());
    await frame();
    await frame();
    const [a, snowman, red] = cells(root) as [HTMLElement, HTMLElement, HTMLElement];
    const stops = () => cells(root).map(({ tabIndex }) => tabIndex);
    expect(stops()).toEqual([0, -1, -1]);
    a.focus();
    await press(a, "ArrowRight");
    expect([document.activeElement, root.dataset.shown]).toEqual([snowman, "tokens:2,3"]);
    await press(snowman, "End");
    expect(document.activeElement).toBe(red);
    expect(stops()).toEqual([-1, -1, 0]);
    await press(red, "ArrowRight");
    expect(document.activeElement).toBe(red);
  });

  test("lets go of the pictures of what is shown no more", async () => {
    let held = 0;
    vi.spyOn(URL, "createObjectURL").mockImplementation(() => `blob:${++held}`);
    vi.spyOn(URL, "revokeObjectURL").mockImplementation(() => void held--);
    const { model, clean } = show({ sides: sidesOf({ data: GIF, media_type: "image/gif" }) });
    for (let epoch = 2; epoch < 6; epoch++) {
      const data = Uint8Array.from(GIF);
      model.update({ epoch, sides: sidesOf({ data, media_type: "image/gif" }) });
      await frame();
      await frame();
    }
    expect(held).toBe(2); // the panel's and the overview's
    clean();
    expect(held).toBe(0);
  });

  test("of two captions is a matrix whose cells can be pointed at and pinned", async () => {
    const [text] = sidesOf();
    const { root, find, model } = show();
    model.update({ epoch: 2, sides: [text, text] as never, ...known() });
    await frame();
    await frame();
    const heads = [...root.querySelectorAll<HTMLElement>(".fpattr-head")];
    const words = ["a", "snowman", "red"];
    expect(heads.map(({ textContent }) => textContent)).toEqual([...words, ...words]);
    const matrix = find(".fpattr-cells");
    matrix.getBoundingClientRect = () => new DOMRect(0, 0, 90, 90);
    await point("pointermove", matrix, { clientX: 80, clientY: 40 });
    expect(root.dataset.shown).toBe("tokens/1:2,3 tokens/2:5");
    // Tokens 2 and 3 with column 5: 2.5 − 3.5.
    expect(matrix.getAttribute("aria-label")).toMatch(/^snowman.* × red.*: −1\.000$/);
    expect(heads.map((head) => head.hasAttribute("data-chosen"))).toEqual([
      ...[false, true, false],
      ...[false, false, true],
    ]);
    matrix.dispatchEvent(new MouseEvent("click", { clientX: 80, clientY: 40 }));
    await frame();
    expect([model.get("selected_rows"), model.get("selected_columns")]).toEqual([[2, 3], [5]]);
    await press(matrix, "ArrowUp");
    await press(matrix, "ArrowLeft");
    await press(matrix, "Enter");
    expect([model.get("selected_rows"), model.get("selected_columns")]).toEqual([[1], [2, 3]]);
  });
});

describe("scales", () => {
  const faint = (...row: number[]) => ({
    sides: sidesOf({ text: "red", tokens: RED, grid: [1, 2] }),
    rows: encodeFloats(Float32Array.from(row)),
  });

  test("noise is faint: automatic scales end no lower than the floor, and the legend says where", async () => {
    const { find, root, model } = show({ ...faint(0, 0.002, 0.001), selected_rows: [0] });
    expect(Number(find(".fpattr-heat").dataset.limit)).toBe(0.01);
    expect(pixels[0]?.[3]).toBe(Math.round(0.85 * 255 * 0.2));
    const ends = () => [...root.querySelectorAll(".fpattr-end")].map((end) => end.textContent);
    expect(ends()).toEqual(["words ±0.010", "patches ±0.010"]);
    model.update({ scale: "own" });
    await frame();
    expect(ends()).toEqual(["words ±0.010", "patches ±0.0020"]);
    expect(pixels[0]?.[3]).toBe(Math.round(0.85 * 255));
  });

  test("each has its legend, as strong as it is used, with a mark where the pointer is", async () => {
    const { find, root, model } = show({ ...faint(0, -0.02, 0.01), opacity: 0.5 });
    const of = (name: string) => find(`[data-scale=${name}] > .fpattr-gradient`);
    expect(of("patches").style.getPropertyValue("--fpattr-strength")).toBe("0.5");
    expect(of("words").style.getPropertyValue("--fpattr-strength")).toBe("");
    const marks = () => [...root.querySelectorAll<HTMLElement>(".fpattr-here:not([hidden])")];
    expect(marks()).toEqual([]);
    const chip = find(".fpattr-token");
    await point("pointermove", chip);
    // The word has −0.010, and no other has more.
    expect(marks().map(({ style }) => style.left)).toEqual(["0.0%"]);
    expect(marks()[0]?.closest<HTMLElement>(".fpattr-end")?.dataset.scale).toBe("words");
    expect(chip.hasAttribute("data-against")).toBe(true);
    const [text] = sidesOf({ text: "red", tokens: RED });
    model.update({ epoch: 2, sides: [text, text] as never, rows: null });
    await frame();
    const names = [...root.querySelectorAll<HTMLElement>(".fpattr-end")];
    expect(names.map(({ dataset }) => dataset.scale)).toEqual(["words (first)", "words (second)"]);
  });

  test("in logits the floor is as many times as high", () => {
    const ledger = { ...LEDGER, unit_scale: 100 };
    const { find } = show({ ...faint(0, 0.2, 0.1), selected_rows: [0], ledger });
    expect(Number(find(".fpattr-heat").dataset.limit)).toBe(1);
  });

  test("what a special chip has beyond the words' scale is marked, and has its number", async () => {
    const { find, model } = show(faint(0.4, 0.02, 0.01));
    const cls = find(".fpattr-special");
    expect([cls.dataset.number, cls.hasAttribute("data-beyond")]).toEqual(["+0.400", false]);
    const tokens = tokensOf(["CLS", ["red", 0, 0, 3]]);
    model.update({
      epoch: 2,
      sides: sidesOf({ text: "red", tokens, grid: [1, 2] }),
      ...{ rows: encodeFloats(Float32Array.of(0.3, 0, 0.1, 0, 0.1, 0)) },
    });
    await frame();
    const chip = find(".fpattr-token[data-kind=special]");
    expect([chip.dataset.number, chip.hasAttribute("data-beyond")]).toEqual(["+0.400", true]);
    expect(chip.getAttribute("aria-label")).toBe("CLS, +0.400, beyond the colour scale");
    expect(find(".fpattr-token[data-kind=word]").hasAttribute("data-beyond")).toBe(false);
  });
});

describe("unknown words", () => {
  test("are marked, and it is said that the model has never seen them", async () => {
    const [bos, a, snow, man, ...rest] = tokensOf([
      "BOS",
      ["a", 0, 0, 1],
      ["snow", 1, 2, 6],
      ["man", 1, 6, 9],
      [",", 2, 9, 10],
      ["red", 3, 11, 14],
      "EOS",
    ]) as [TokenState, TokenState, TokenState, TokenState];
    const tokens = [bos, a, snow, { ...man, unknown: true }, ...rest];
    const { find, root } = show({ ...known(), sides: sidesOf({ tokens }) });
    const chip = find(".fpattr-token[data-unknown]");
    expect(root.querySelectorAll("[data-unknown]")).toHaveLength(1);
    expect(chip.textContent).toBe("snowman");
    expect(chip.getAttribute("aria-label")).toMatch(/^snowman, never seen by the model, −/);
    expect(chip.title).toContain("never seen");
    expect(find(".fpattr-note").textContent).toContain("never seen “snowman”");
    await point("pointermove", chip);
    expect(find(".fpattr-line").textContent).toMatch(/the model has never seen it$/);
  });

  test("are not spoken of where there are none, or a state from before does not tell", () => {
    const { find, root } = show(known());
    expect(root.querySelector("[data-unknown]")).toBeNull();
    expect(find(".fpattr-note").hidden).toBe(true);
  });
});

describe("progress", () => {
  const tell = async (model: FakeModel, message: string, epoch = 1) => {
    model.receive({ type: "progress", epoch, message });
    await frame();
  };
  const parts = ({ find }: ReturnType<typeof show>) => ({
    line: find(".fpattr-line"),
    bar: find(".fpattr-progress"),
    news: find(".fpattr-news"),
  });

  test("is told in the line and to those who listen, until the next", async () => {
    const view = show();
    const { line, bar, news } = parts(view);
    expect(bar.getAttribute("aria-valuenow")).toBe("0");
    await tell(view.model, EVIL[0] ?? "");
    await tell(view.model, "312 of 1,024 masks");
    expect(line.textContent).toBe("312 of 1,024 masks");
    expect(line.firstElementChild?.getAttribute("aria-hidden")).toBe("true");
    // The next is not read out at once.
    expect(news.textContent).toBe(EVIL[0]);
    expect([bar.hasAttribute("data-uncounted"), bar.hasAttribute("aria-valuenow")]).toEqual([
      true,
      false,
    ]);
    await point("pointermove", view.find(".fpattr-token[data-tokens='4']"));
    expect(line.textContent).toBe("“,” × all patches: being computed … · 312 of 1,024 masks");
    const spoken = line.children[0];
    await tell(view.model, "313 of 1,024 masks");
    expect(line.textContent).toMatch(/313 of 1,024 masks$/);
    expect(line.children[0]).toBe(spoken); // what else is said is not said again
    view.model.receive(features([1]), [rowsBuffer([1])]);
    await frame();
    expect([bar.hasAttribute("data-uncounted"), bar.getAttribute("aria-valuenow")]).toEqual([
      false,
      "1",
    ]);
  });

  test("is read out now and then", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { model, find } = show();
    const heard: (string | null)[] = [];
    for (let second = 0; second < 12; second++) {
      await tell(model, `step ${second}`);
      heard.push(find(".fpattr-news").textContent);
      vi.advanceTimersByTime(1000);
    }
    vi.useRealTimers();
    expect([...new Set(heard)]).toEqual(["step 0", "step 4", "step 9"]);
  });

  test.each([
    ["done", { type: "done", epoch: 1 }],
    ["failure", { type: "failure", epoch: 1, message: "no" }],
    ["interrupted", { type: "interrupted", epoch: 1 }],
  ] as const)("goes with %s", async (_, message) => {
    const view = show();
    await tell(view.model, "row 3 of 7");
    view.model.receive(message);
    await frame();
    const { line, news } = parts(view);
    expect([line.textContent?.includes("row 3"), news.textContent]).toEqual([false, ""]);
    // And does not come back with what comes later.
    view.model.receive(features([1]), [rowsBuffer([1])]);
    await frame();
    expect([line.textContent?.includes("row 3"), news.textContent]).toEqual([false, ""]);
  });

  test("goes with the last row and with another epoch, and stale news are none", async () => {
    const view = show();
    const { line } = parts(view);
    await tell(view.model, "row 3 of 7", 0);
    expect(line.textContent).toMatch(/^Hover/);
    await tell(view.model, "row 3 of 7");
    view.model.receive(features(ALL), [rowsBuffer(ALL)]);
    await frame();
    expect(line.textContent).toMatch(/^Hover/);
    const other = show();
    await tell(other.model, "row 3 of 7");
    other.model.update({ epoch: 2, rows: null });
    await frame();
    expect(parts(other).line.textContent).toMatch(/^Hover/);
  });

  test("is not kept with the notebook", async () => {
    const { model } = show();
    const before = JSON.stringify(Object.keys(model.traits));
    await tell(model, "row 3 of 7");
    expect(JSON.stringify(Object.keys(model.traits))).toBe(before);
    expect(JSON.stringify(model.traits)).not.toContain("row 3");
  });
});

describe("the value at the pointer", () => {
  test("is the chip's own", async () => {
    const { find } = show({ ...known(), ledger: LEDGER, similarity: 0.5 });
    const chip = find(".fpattr-token[data-tokens='4']");
    await point("pointermove", chip);
    expect(chip.dataset.readout).toBe("+30.100");
    await point("pointerleave", find(".fpattr-text"));
    expect(chip.dataset.readout).toBeUndefined();
  });

  test("is the patch's, for the words that are pinned or for all", async () => {
    const { stage, model, find } = show(known());
    await point("pointermove", stage, at(1));
    // The column's sum: tokens 0 to 6 with alternating signs, plus two tenths each.
    expect(stage.dataset.readout).toBe("+3.200");
    model.update({ selected_rows: [4] });
    await frame();
    expect(stage.dataset.readout).toBe("+4.200");
    await point("pointerleave", stage, { bubbles: false });
    expect(stage.dataset.readout).toBeUndefined();
    expect(find(".fpattr-line").textContent).toMatch(/^“,” × all patches/);
  });
});

describe("what Python is told", () => {
  test("hover stays in the page unless it is asked for", async () => {
    const { model, find, stage } = show(known());
    await point("pointermove", find(".fpattr-token[data-tokens='5']"));
    expect(model.get("hovered")).toEqual({ rows: [], columns: [] });
    model.update({ report_hover: true });
    await point("pointermove", stage, at(4));
    expect(model.get("hovered")).toEqual({ rows: [], columns: [5] });
    await point("pointermove", find(".fpattr-token[data-tokens='5']"));
    await vi.waitFor(() => expect(model.get("hovered")).toEqual({ rows: [5], columns: [] }));
    expect(model.saves).toHaveLength(2);
  });
});

describe("touch", () => {
  const finger = { pointerType: "touch" };
  const tap = async (target: Element, options: PointerEventInit = {}) => {
    await point("pointerdown", target, { ...finger, ...options });
    await point("pointerup", target, { ...finger, ...options });
  };

  test("adds and takes away by a choice in place of keys, and lets go by a button", async () => {
    const { model, root, find, stage } = show(known());
    const group = find("[aria-label='What a drag does']");
    const clear = find(".fpattr-pins > .fpattr-button");
    expect([group.hidden, clear.hidden]).toEqual([true, true]);
    await tap(stage, at(0));
    expect([group.hidden, clear.hidden]).toEqual([false, false]);
    expect(model.get("selected_columns")).toEqual([1]);
    const choose = (value: string) =>
      root.querySelector<HTMLElement>(`.fpattr-pins [data-value='${value}']`)?.click();
    choose("add");
    await tap(stage, at(4));
    await tap(find(".fpattr-token[data-tokens='5']"));
    await tap(find(".fpattr-token[data-tokens='1']"));
    expect(model.get("selected_columns")).toEqual([1, 5]);
    expect(model.get("selected_rows")).toEqual([1, 5]);
    choose("remove");
    await tap(stage, at(0));
    expect(model.get("selected_columns")).toEqual([5]);
    clear.click();
    expect(model.get("selected_columns")).toEqual([]);
    expect(model.get("selected_rows")).toEqual([]);
  });
});

describe("trouble", () => {
  test("a failure leaves all that is there in place, and can be tried again or put away", async () => {
    const { model, find } = show(known());
    model.receive({ type: "failure", epoch: 1, message: "Memory ran out. Use a smaller batch." });
    await frame();
    const strip = find(".fpattr-failure");
    expect(strip.hidden).toBe(false);
    expect(find(".fpattr-token[data-tokens='1']").dataset.value).toBeDefined();
    const before = model.sent.length;
    find(".fpattr-failure .fpattr-button").click();
    await frame();
    expect(model.sent.slice(before)).toMatchObject([{ type: "hello", epoch: 1 }]);
    expect(strip.hidden).toBe(true);
    model.receive({ type: "failure", epoch: 1, message: "Memory ran out." });
    find(".fpattr-close").click();
    await frame();
    expect(strip.hidden).toBe(true);
  });

  test("an interrupt keeps what is there, says how much, and goes on when asked", async () => {
    const { model, find, root } = show(known([0, 1]));
    model.receive({ type: "interrupted", epoch: 1 });
    model.receive({ type: "done", epoch: 1 });
    await frame();
    expect(find(".fpattr-failure").textContent).toContain("2 of 7 rows are there");
    expect(root.querySelector("[role=progressbar]")).toBeNull();
    const before = model.sent.length;
    find(".fpattr-failure .fpattr-button").click();
    expect(model.sent.slice(before)).toMatchObject([{ type: "hello" }]);
    await frame();
    expect(find(".fpattr-failure").hidden).toBe(true);
    expect(root.querySelector("[role=progressbar]")).not.toBeNull();
  });

  test("a kernel that was there and answers no more is told from one that never was", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { model, find } = show(known([1]));
    model.receive({ type: "hello", epoch: 1, protocol: PROTOCOL });
    vi.advanceTimersByTime(10_000);
    model.emit("comm_live_update");
    vi.advanceTimersByTime(3000);
    vi.useRealTimers();
    await frame();
    expect(find(".fpattr-failure").textContent).toContain("The kernel does not answer");
    model.receive(features(ALL), [rowsBuffer(ALL)]);
    await frame();
    expect(find(".fpattr-failure").hidden).toBe(true);
  });

  test("another version of Python is named", async () => {
    const { model, find } = show(known());
    model.receive({ type: "hello", epoch: 1, protocol: PROTOCOL + 1 });
    await frame();
    expect(find(".fpattr-failure").textContent).toContain("another version");
  });
});

describe("editing", () => {
  const open = async (view: ReturnType<typeof show>) => {
    view.find(".fpattr-edit").click();
    await frame();
    return view.find<HTMLTextAreaElement>("textarea");
  };
  const type = (field: HTMLTextAreaElement, text: string) => {
    field.value = text;
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  };

  test("is off unless it is asked for", () => {
    const { find, root } = show(known());
    expect(find(".fpattr-editing").hidden).toBe(true);
    expect(find(".fpattr-choose").hidden).toBe(true);
    find(".fpattr-caption").dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    expect(root.querySelector<HTMLElement>(".fpattr-editor")?.hidden).toBe(true);
  });

  test("asks while typing, after a pause, and closes on Enter once Python has taken it", async () => {
    const view = show({ ...known(), editable: true });
    const { model, find } = view;
    const field = await open(view);
    expect([field.value, find(".fpattr-caption").hidden]).toEqual(["a snowman, red", true]);
    type(field, "a s");
    type(field, "red");
    await new Promise((resolve) => setTimeout(resolve, 450));
    expect(model.sent.slice(1)).toEqual([{ type: "text", side: 0, text: "red" }]);
    await press(field, "Enter");
    expect(model.sent).toHaveLength(2);
    expect(find(".fpattr-editor").hidden).toBe(false);
    const red = { epoch: 2, sides: sidesOf({ text: "red", tokens: RED }), rows: null };
    model.update({ ...red, ledger: {} });
    await frame();
    expect([find(".fpattr-editor").hidden, find(".fpattr-caption").hidden]).toEqual([true, false]);
    expect(find(".fpattr-caption").textContent).toBe("red");
  });

  test("what is refused stays in the editor, beside the reason, over the last good view", async () => {
    const view = show({ ...known(), editable: true });
    const { model, find, root } = view;
    const field = await open(view);
    type(field, "");
    await press(field, "Enter");
    model.receive({ type: "refused", side: 0, message: "`caption` is empty." });
    await frame();
    expect(find(".fpattr-refused[data-kind=caption]").textContent).toBe("`caption` is empty.");
    expect(find(".fpattr-editor").hidden).toBe(false);
    expect(root.querySelectorAll(".fpattr-token")).toHaveLength(6);
    await press(field, "Escape");
    expect(model.sent.at(-1)).toEqual({ type: "text", side: 0, text: "a snowman, red" });
    expect(find(".fpattr-editor").hidden).toBe(true);
    expect(find(".fpattr-refused[data-kind=caption]").hidden).toBe(true);
  });

  test("a dropped picture is sent as it is, and only while that is wanted", async () => {
    const { model, stage } = show({ ...known(), editable: true });
    const drop = async () => {
      const event = new Event("drop", { bubbles: true, cancelable: true });
      const file = new File([GIF], "secret name.gif", { type: "image/gif" });
      Object.assign(event, { dataTransfer: { types: ["Files"], files: [file] } });
      stage.dispatchEvent(event);
      await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await drop();
    expect(model.sent.at(-1)).toEqual({ type: "file", side: 1 });
    expect(new Uint8Array(model.buffers.at(-1)?.[0] as ArrayBuffer)).toEqual(GIF);
    model.update({ editable: false });
    await drop();
    expect(model.sent).toHaveLength(2);
  });
});

test("right-to-left captions keep their order, and special tokens do not set the direction", () => {
  const { find } = show({
    sides: sidesOf({
      text: "كلب أحمر",
      tokens: tokensOf(["BOS", ["كلب", 0, 0, 3], ["أحمر", 1, 4, 8]]),
    }),
  });
  expect(find(".fpattr-caption").dir).toBe("auto");
  expect(find(".fpattr-token[data-kind=special]").dir).toBe("ltr");
  expect(find(".fpattr-caption").textContent).toBe("BOS كلب أحمر");
});

describe("lifetime", () => {
  test("two views share pins and one listener; closing one leaves the other", async () => {
    const { model, render, clean, root } = show(known());
    const before = model.listening;
    const el = document.createElement("div");
    document.body.append(el);
    cleanups.push(render({ model, el }));
    expect(model.listening).toBe(before);
    clean();
    expect(root.isConnected).toBe(false);
    model.update({ selected_rows: [1] });
    await frame();
    expect((el.firstElementChild as HTMLElement).dataset.shown).toBe("tokens:1");
  });

  test("clean-up gives back the picture's address and every listener", () => {
    const revoke = vi.spyOn(URL, "revokeObjectURL");
    const { model, clean, el } = show({ sides: sidesOf({ data: GIF, media_type: "image/gif" }) });
    clean();
    expect(revoke).toHaveBeenCalledTimes(1);
    expect(el.childElementCount).toBe(0);
    cleanups[0]?.();
    expect(model.listening).toBe(0);
  });

  test("a host's signal does the same as the clean-up", () => {
    const model = new FakeModel();
    const controller = new AbortController();
    const { initialize, render } = widget();
    initialize({ model, signal: controller.signal });
    const el = document.createElement("div");
    render({ model, el, signal: controller.signal });
    controller.abort();
    expect([model.listening, el.childElementCount]).toEqual([0, 0]);
  });

  test("a new epoch builds the view anew", async () => {
    const { model, find } = show(known());
    model.update({ epoch: 2, sides: sidesOf({ text: "red", tokens: RED }), rows: null });
    await frame();
    expect(find(".fpattr-caption").textContent).toBe("red");
  });
});
