/** What the colours mean, which of them are shown, and the image features that are no patches. */

import { brief, signed } from "../values/format";
import { same } from "../values/sets";
import { paintValue, spoken } from "./chip";
import type { Context, Part } from "./context";
import { choice } from "./controls";
import { h, setAttributes, setText } from "./dom";
import { type Look, NOTHING } from "./look";

/** `tools` are put at the end of the row. */
export function createLegend(context: Context, ...tools: HTMLElement[]): Part {
  const { store, state, signal } = context;
  const ends = { words: end("words"), patches: end("patches") };
  const scale = h(
    "div",
    { class: "fpattr-scale", title: "Where the colours of words and of patches end" },
    h("span", { class: "fpattr-gradient", "aria-hidden": "true" }),
    ends.words.element,
    ends.patches.element,
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
    ends.words.show(look.chipLimit);
    ends.patches.show(look.mapLimit);
    const { settings, subject } = store;
    signs.show(settings.signs);
    setAttributes(scale, { "data-signs": settings.signs });
    if (named !== subject.specials) {
      named = subject.specials;
      chips = named.map(specialChip);
      specials.replaceChildren(...chips);
    }
    // What is no patch may be worth as much as all patches: it is on the words' scale.
    const { signs: shown } = settings;
    chips.forEach((chip, index) => {
      const value = look.specials[index] ?? Number.NaN;
      // While chips show other places than this, their scale is not for it.
      const meant = !look.column || look.focus.specials.includes(index);
      const limit = meant ? look.chipLimit : 0;
      const tinting = { limit, signs: shown, paper: context.paper };
      paintValue(chip, value, tinting);
      setAttributes(chip, {
        "data-number": brief(value),
        "data-chosen": look.focus.specials.includes(index),
        "aria-pressed": String(look.pinned.specials.includes(index)),
        "aria-label": `${named[index]}${Number.isNaN(value) ? "" : `, ${spoken(value, tinting)}`}`,
      });
    });
  }
}

/** `patches ±0.110`: where a scale ends. */
function end(name: string) {
  const limit = h("span", { class: "fpattr-limit" });
  const element = h("span", { class: "fpattr-end", "data-scale": name }, `${name} `, limit);
  return {
    element,
    show(value: number): void {
      setText(limit, value > 0 ? `±${signed(value).slice(1)}` : "–");
    },
  };
}
