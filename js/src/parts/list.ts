/** The list of the strongest pairs; each can be looked at and pinned. */

import { percent, plural, signed } from "../values/format";
import { same } from "../values/sets";
import { type StrongPair, strongestPairs } from "../values/strongest";
import type { Context, Part } from "./context";
import { h, setAttributes, setStyle } from "./dom";
import { type Look, NOTHING } from "./look";

export function createList(context: Context): Part {
  const { store, signal } = context;
  const items = h("ol", {});
  const element = h(
    "section",
    { class: "fpattr-strongest", "aria-label": "Strongest pairs" },
    h(
      "p",
      {
        title:
          "For each word, the fewest patches that carry half of what is for, or against, it; and " +
          "positions that are no words or no patches. Percent are of all pairs' magnitudes.",
      },
      "Strongest pairs",
    ),
    items,
  );
  let shown: { pair: StrongPair; button: HTMLButtonElement }[] = [];
  let drawn: unknown[] = [];

  return { element, paint };

  function paint(look: Look): void {
    const { pairs, subject, settings } = store;
    const now = [pairs, pairs.version, subject, settings.signs];
    if (now.some((value, i) => value !== drawn[i])) {
      drawn = now;
      const chips = subject.sentence.chips.filter((chip) => chip.kind !== "mark");
      const rows = chips.map(({ tokens, text }) => {
        return { tokens, text, map: pairs.map(tokens), specials: pairs.specialsOf(tokens) };
      });
      const strong = strongestPairs(rows, settings.signs);
      const longest = Math.abs(strong[0]?.value ?? 0);
      shown = strong.map((pair) => ({ pair, button: row(pair, longest) }));
      setAttributes(element, { "data-empty": shown.length === 0 });
      items.replaceChildren(...shown.map(({ button }) => h("li", {}, button)));
    }
    for (const { pair, button } of shown) {
      const pinned =
        same(pair.tokens, look.pinned.tokens) &&
        same(pair.patches, look.pinned.patches) &&
        same(pair.specials, look.pinned.specials);
      setAttributes(button, { "aria-pressed": String(pinned) });
    }
  }

  function row(pair: StrongPair, longest: number): HTMLButtonElement {
    const { tokens, text, patches, specials, value } = pair;
    const { subject, pairs } = store;
    const special = tokens.every((token) => subject.tokens[token]?.special);
    const names = specials.map((i) => subject.specials[i] ?? "");
    const place = names.join() || plural(patches.length, "patch", "patches");
    const bar = h("span", { class: "fpattr-stick" });
    setStyle(bar, "inline-size", `${(100 * Math.abs(value)) / longest}%`);
    const button = h(
      "button",
      { type: "button", "data-sign": value < 0 ? "negative" : "positive" },
      h("bdi", { class: "fpattr-name", "data-special": special }, text),
      h("span", { class: "fpattr-count" }, `↔ ${place}`),
      h("span", { class: "fpattr-sticks", "aria-hidden": "true" }, bar),
      h("span", { class: "fpattr-amount" }, signed(value)),
      h("span", { class: "fpattr-share" }, pairs.complete ? share(value, pairs.magnitude()) : ""),
    );
    const show = () => context.update({ hover: { tokens, patches, specials }, place: null });
    const hide = () => context.update({ hover: NOTHING });
    const pin = () => {
      const now = context.pinned();
      const again =
        same(now.tokens, tokens) && same(now.patches, patches) && same(now.specials, specials);
      context.pin(again ? NOTHING : { tokens, patches, specials });
    };
    button.addEventListener("pointerenter", show, { signal });
    button.addEventListener("pointerleave", hide, { signal });
    button.addEventListener("focus", show, { signal });
    button.addEventListener("blur", hide, { signal });
    button.addEventListener("click", pin, { signal });
    return button;
  }
}

function share(value: number, all: number): string {
  return all > 0 ? percent(Math.abs(value) / all) : "";
}
