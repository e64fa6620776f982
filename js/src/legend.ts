/** What the colours mean, how they are scaled, and the image features that are no patches. */

import { type Paper, paintValue } from "./caption";
import type { Context, Part } from "./context";
import { h, setAttributes, setText } from "./dom";
import { signed } from "./format";
import { type Look, NOTHING, type Scale } from "./look";
import { same } from "./sets";

export function createLegend(context: Context, paper: () => Paper): Part {
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

  const scales = (["shared", "own"] as const).map((name) => {
    const title =
      name === "shared"
        ? "One scale for the maps of all words: maps can be compared"
        : "Each map on its own scale: weak maps can be seen";
    const button = h("button", { type: "button", title }, name);
    const choose = () => context.update({ scale: name satisfies Scale });
    button.addEventListener("click", choose, { signal });
    return { name, button };
  });
  const colour = h(
    "button",
    { type: "button", title: "Keep the picture's colours under the map" },
    "colour",
  );
  colour.addEventListener("click", () => context.update({ colour: !state.colour }), { signal });
  const switches = h(
    "div",
    { class: "fpattr-switches" },
    h(
      "span",
      { class: "fpattr-switch", role: "group", "aria-label": "Scale of the map" },
      ...scales.map(({ button }) => button),
    ),
    h("span", { class: "fpattr-switch" }, colour),
  );

  const specials = store.subject.specials.map((name, index) => specialChip(name, index));
  const element = h("div", { class: "fpattr-legend" }, scale, switches);
  if (specials.length > 0) element.append(h("div", { class: "fpattr-specials" }, ...specials));
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
    for (const { name, button } of scales) {
      setAttributes(button, { "aria-pressed": String(state.scale === name) });
    }
    setAttributes(colour, { "aria-pressed": String(state.colour) });
    const tokens = look.focus.tokens;
    specials.forEach((chip, index) => {
      const column = store.pairs.column([], [index]);
      const value = tokens.reduce((sum, token) => sum + (column[token] ?? Number.NaN), 0);
      const shown = tokens.length > 0 ? value : Number.NaN;
      paintValue(chip, shown, look.mapLimit, 1, paper());
      setAttributes(chip, {
        "data-chosen": look.focus.specials.includes(index),
        "aria-pressed": String(look.pinned.specials.includes(index)),
        "aria-label": `${store.subject.specials[index]}${Number.isNaN(shown) ? "" : `, ${signed(shown)}`}`,
      });
    });
  }
}
