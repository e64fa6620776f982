/** The list of the strongest pairs; each can be looked at and pinned. */

import type { Context, Part } from "./context";
import { h, setAttributes, setStyle } from "./dom";
import { percent, plural, signed } from "./format";
import { type Look, NOTHING } from "./look";
import { same } from "./sets";
import { type StrongPair, strongestPairs } from "./strongest";

export function createList(context: Context): Part {
  const { store, signal } = context;
  const items = h("ol", {});
  const element = h(
    "section",
    { class: "fpattr-strongest", "aria-label": "Strongest pairs" },
    h(
      "p",
      { title: "For each word, the fewest patches that carry half of what is for, or against, it" },
      "Strongest pairs",
    ),
    items,
  );
  let shown: { pair: StrongPair; button: HTMLButtonElement }[] = [];
  let drawn: unknown[] = [];

  return { element, paint };

  function paint(look: Look): void {
    const { pairs, subject, settings, whole } = store;
    const now = [pairs, pairs.version, subject, settings.signs, whole];
    if (now.some((value, i) => value !== drawn[i])) {
      drawn = now;
      const words = subject.sentence.chips.filter((chip) => chip.kind === "word");
      const strong = strongestPairs(
        words.map(({ tokens, text }) => ({ tokens, text, map: pairs.map(tokens) })),
        settings.signs,
      );
      const longest = Math.abs(strong[0]?.value ?? 0);
      shown = strong.map((pair) => ({ pair, button: row(pair, longest) }));
      setAttributes(element, { "data-empty": shown.length === 0 });
      items.replaceChildren(...shown.map(({ button }) => h("li", {}, button)));
    }
    for (const { pair, button } of shown) {
      const pinned =
        same(pair.tokens, look.pinned.tokens) && same(pair.patches, look.pinned.patches);
      setAttributes(button, { "aria-pressed": String(pinned) });
    }
  }

  function row({ tokens, text, patches, value }: StrongPair, longest: number): HTMLButtonElement {
    const bar = h("span", { class: "fpattr-stick" });
    setStyle(bar, "inline-size", `${(100 * Math.abs(value)) / longest}%`);
    const button = h(
      "button",
      { type: "button", "data-sign": value < 0 ? "negative" : "positive" },
      h("bdi", { class: "fpattr-name" }, text),
      h("span", { class: "fpattr-count" }, `↔ ${plural(patches.length, "patch", "patches")}`),
      h("span", { class: "fpattr-sticks", "aria-hidden": "true" }, bar),
      h("span", { class: "fpattr-amount" }, signed(value)),
      h("span", { class: "fpattr-share" }, store.whole ? percent(value / store.whole) : ""),
    );
    const show = () => context.update({ hover: { ...NOTHING, tokens, patches }, place: null });
    const hide = () => context.update({ hover: NOTHING });
    const pin = () => {
      const now = context.pinned();
      const again = same(now.tokens, tokens) && same(now.patches, patches);
      context.pin(again ? NOTHING : { tokens, patches, specials: [] });
    };
    button.addEventListener("pointerenter", show, { signal });
    button.addEventListener("pointerleave", hide, { signal });
    button.addEventListener("focus", show, { signal });
    button.addEventListener("blur", hide, { signal });
    button.addEventListener("click", pin, { signal });
    return button;
  }
}
