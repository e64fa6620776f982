/** What the colours mean, which of them are shown, and the image features that are no patches. */

import { paintValue } from "./chip";
import type { Context, Part } from "./context";
import { choice } from "./controls";
import { h, setAttributes, setText } from "./dom";
import { signed } from "./format";
import { type Look, NOTHING } from "./look";
import { same } from "./sets";

/** `tools` are put at the end of the row. */
export function createLegend(context: Context, ...tools: HTMLElement[]): Part {
  const { store, state, signal } = context;
  const low = h("span", { class: "fpattr-limit" });
  const high = h("span", { class: "fpattr-limit" });
  const what = h("span", { class: "fpattr-what" });
  const scale = h(
    "div",
    { class: "fpattr-scale" },
    what,
    low,
    h("span", { class: "fpattr-gradient", "aria-hidden": "true" }),
    high,
  );
  const signs = choice(
    "Signs that are shown",
    {
      against: "Only what speaks against the match",
      both: "What speaks for the match and what against",
      for: "Only what speaks for the match",
    },
    (value) => store.set("signs", value),
    signal,
  );
  const specials = h("div", { class: "fpattr-specials" });
  const element = h(
    "div",
    { class: "fpattr-legend" },
    scale,
    h("div", { class: "fpattr-tools" }, signs.element, ...tools, specials),
  );
  let named: readonly string[] = [];
  let chips: HTMLElement[] = [];
  return { element, paint };

  function specialChip(name: string, index: number): HTMLElement {
    const title = `${name}: a feature of the picture that is no patch`;
    const chip = h("button", { class: "fpattr-special", type: "button", title }, name);
    const show = () => context.update({ hover: { ...NOTHING, specials: [index] } });
    const hide = () => context.update({ hover: NOTHING });
    const pin = () => {
      const again = same(state.pinnedSpecials, [index]);
      context.pin({ patches: [], specials: again ? [] : [index] });
    };
    chip.addEventListener("pointerenter", show, { signal });
    chip.addEventListener("pointerleave", hide, { signal });
    chip.addEventListener("focus", show, { signal });
    chip.addEventListener("blur", hide, { signal });
    chip.addEventListener("click", pin, { signal });
    return chip;
  }

  function paint(look: Look): void {
    const map = look.map !== null;
    const limit = map ? look.mapLimit : look.chipLimit;
    setText(what, map ? "patches" : "words");
    setText(low, limit > 0 ? signed(-limit) : "–");
    setText(high, limit > 0 ? signed(limit) : "–");
    const { settings, subject } = store;
    signs.show(settings.signs);
    setAttributes(scale, { "data-signs": settings.signs });
    if (named !== subject.specials) {
      named = subject.specials;
      chips = named.map(specialChip);
      specials.replaceChildren(...chips);
    }
    const { tokens } = look.focus;
    const tinting = { limit: look.mapLimit, strength: 1, signs: settings.signs };
    chips.forEach((chip, index) => {
      const column = store.pairs.column([], [index]);
      const value = tokens.reduce((sum, token) => sum + (column[token] ?? Number.NaN), 0);
      const shown = tokens.length > 0 ? value : Number.NaN;
      paintValue(chip, shown, { ...tinting, paper: context.paper });
      setAttributes(chip, {
        "data-chosen": look.focus.specials.includes(index),
        "aria-pressed": String(look.pinned.specials.includes(index)),
        "aria-label": `${named[index]}${Number.isNaN(shown) ? "" : `, ${signed(shown)}`}`,
      });
    });
  }
}
