import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { encodeFloats } from "../src/bytes";
import widget from "../src/index";
import type { Token, Traits } from "../src/protocol";
import { FakeModel, rowsBuffer, tokensOf } from "./model";

const ALL = [0, 1, 2, 3, 4, 5, 6];
const EVIL = ['<img src=x onerror="globalThis.hacked=1">', "</script>", "<b>&amp;</b>"];
const GIF = Uint8Array.from(atob("R0lGODlhAQABAAAAACwAAAAAAQABAAA="), (c) => c.charCodeAt(0));

const cleanups: (() => void)[] = [];
/** What was filled on any canvas since it was last cleared: `[style, x, y, width, height]`. */
let fills: [string, ...number[]][] = [];

beforeEach(() => {
  fills = [];
  const context = {
    fillStyle: "",
    clearRect() {
      fills = [];
    },
    fillRect(...box: number[]) {
      fills.push([this.fillStyle, ...box]);
    },
  };
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(context as never);
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
    const tokens: Token[] = [
      { text: bold, word: null, start: null, stop: null, special: true },
      { text: evil, word: 0, start: 0, stop: evil.length, special: false },
      { text: close, word: 1, start: evil.length + 1, stop: caption.length, special: false },
    ];
    const { root, model, find } = show({
      caption,
      tokens,
      grid: [1, 1],
      image_special: [bold],
      about: { model: evil, method: close },
      rows: encodeFloats(Float32Array.of(1, 2, 3, 4, 5, 6)),
      selected_tokens: [1],
    });
    model.receive({ type: "failure", epoch: 1, message: evil });
    await frame();
    expect(root.querySelectorAll("img")).toHaveLength(1);
    expect(root.querySelector("b, script")).toBeNull();
    expect(find(".fpattr-caption").textContent).toBe(`${bold} ${caption}`);
    expect(find(".fpattr-failure").textContent).toContain(evil);
    expect(find(".fpattr-about").textContent).toBe(`${evil} · ${close}`);
    expect(find(".fpattr-special").textContent).toBe(bold);
    expect(find(".fpattr-line").textContent).toContain("<img src=x onerr");
    const names = [...root.querySelectorAll(".fpattr-name")].map((name) => name.textContent);
    expect(names).toEqual([close, evil]);
    expect("hacked" in globalThis).toBe(false);
  });
});

describe("with no rows", () => {
  test("the words and the picture are there at once, and progress is told", () => {
    const { root, find } = show({ picture: new DataView(GIF.buffer), picture_type: "image/gif" });
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
    expect(model.sent.at(-1)).toEqual({ type: "rows", epoch: 1, tokens: [2, 3] });
    expect(find(".fpattr-line").textContent).toBe("“snowman” × whole picture: being computed …");
    model.receive({ type: "rows", epoch: 1, tokens: ALL }, [rowsBuffer(ALL)]);
    await frame();
    expect(find(".fpattr-line").textContent).toContain("whole picture: −");
    expect(fills).toHaveLength(6);
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
    expect([canvas.width / 3, canvas.height / 2]).toEqual([16, 16]);
    expect(Number(canvas.dataset.limit)).toBeCloseTo(5.6, 5);
    expect(fills).toHaveLength(6);
    const [style, ...box] = fills[5] ?? [""];
    expect(style).toBe("rgba(33, 102, 172, 0.85)");
    expect(box).toEqual([32, 16, 16, 16]);
    expect(find(".fpattr-stage").hasAttribute("data-map")).toBe(true);
    await point("pointerleave", find(".fpattr-text"));
    expect(root.dataset.shown).toBe("");
    expect(fills).toHaveLength(0);
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
    expect(find(".fpattr-line").textContent).toMatch(/^patch row 1, column 3 × whole caption: \+/);
  });

  test("drags pin a region, shift adds, alt takes away, Escape clears", async () => {
    const { model, root, stage } = show(known());
    const drag = async (from: number, to: number, options: PointerEventInit = {}) => {
      await point("pointerdown", stage, { ...at(from), ...options });
      await point("pointermove", stage, { ...at(to), ...options });
      await point("pointerup", stage, { ...at(to), ...options });
    };
    await drag(0, 4);
    expect(model.get("selected_patches")).toEqual([0, 1, 3, 4]);
    await drag(2, 2, { shiftKey: true });
    await drag(0, 3, { altKey: true });
    expect(model.get("selected_patches")).toEqual([1, 2, 4]);
    await press(stage, "Escape");
    expect(model.get("selected_patches")).toEqual([]);
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
    expect(model.get("selected_tokens")).toEqual([1, 2, 3, 4, 5]);
    for (const expected of [[5], []]) {
      await point("pointerdown", red);
      await point("pointerup", red);
      expect(model.get("selected_tokens")).toEqual(expected);
    }
  });
});

test("with both sides pinned the line reads their joint value, whatever is hovered", async () => {
  const { root, find, stage } = show({
    ...known(),
    similarity: 0.31,
    selected_tokens: [4],
    selected_patches: [0, 1],
  });
  await point("pointermove", stage, at(5));
  expect(root.dataset.shown).toBe("tokens:4 patches:0,1");
  expect(find(".fpattr-line").textContent).toMatch(/^“,” × 2 patches: \+8\.300 of 0\.31/);
  expect(find(".fpattr-over").getAttribute("d")).toBe("M0 0L2 0L2 1L0 1Z");
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
    expect(model.get("selected_tokens")).toEqual([1, 2, 3]);
    await press(active(), "Enter");
    await press(active(), "Enter");
    expect(model.get("selected_tokens")).toEqual([]);
    expect(root.querySelectorAll(".fpattr-token[tabindex='0']")).toHaveLength(1);
  });

  test("walks the patches, extends a rectangle and pins", async () => {
    const { model, root, stage } = show(known());
    for (const key of ["ArrowRight", "ArrowRight"]) await press(stage, key);
    expect(root.dataset.shown).toBe("patches:1");
    expect(stage.getAttribute("aria-label")).toContain("row 1, column 2");
    await press(stage, "ArrowDown", { shiftKey: true });
    await press(stage, "ArrowRight", { shiftKey: true });
    await press(stage, "Enter");
    expect(model.get("selected_patches")).toEqual([1, 2, 4, 5]);
  });
});

test("the scale can be each map's own", async () => {
  const { find, root } = show({ ...known(), selected_tokens: [1] });
  const own = [...root.querySelectorAll<HTMLElement>(".fpattr-switch button")][1];
  own?.click();
  await frame();
  expect(Number(find(".fpattr-heat").dataset.limit)).toBeCloseTo(1.6, 5);
});

test("CLS can be looked at and pinned, and is no patch", async () => {
  const { find, root, model } = show(known());
  find(".fpattr-special").click();
  await frame();
  expect(root.dataset.shown).toBe("specials:0");
  expect(Number(find(".fpattr-token[data-tokens='4']").dataset.value)).toBe(4);
  expect(model.get("selected_patches")).toEqual([]);
});

test("a failure leaves all that is there in place, and can be put away", async () => {
  const { model, find } = show(known());
  model.receive({ type: "failure", epoch: 1, message: "Memory ran out. Use a smaller batch." });
  await frame();
  const strip = find(".fpattr-failure");
  expect(strip.hidden).toBe(false);
  expect(find(".fpattr-token[data-tokens='1']").dataset.value).toBeDefined();
  find(".fpattr-failure button").click();
  await frame();
  expect(strip.hidden).toBe(true);
});

test("right-to-left captions keep their order, and special tokens do not set the direction", () => {
  const { find } = show({
    caption: "كلب أحمر",
    tokens: tokensOf(["BOS", ["كلب", 0, 0, 3], ["أحمر", 1, 4, 8]]),
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
    model.update({ selected_tokens: [1] });
    await frame();
    expect((el.firstElementChild as HTMLElement).dataset.shown).toBe("tokens:1");
  });

  test("clean-up gives back the picture's address and every listener", () => {
    const revoke = vi.spyOn(URL, "revokeObjectURL");
    const { model, clean, el } = show({ picture: GIF, picture_type: "image/gif" });
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
    model.update({ epoch: 2, caption: "red", tokens: tokensOf([["red", 0, 0, 3]]), rows: null });
    await frame();
    expect(find(".fpattr-caption").textContent).toBe("red");
  });
});
