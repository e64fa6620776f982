/** The list of the strongest pairs; each can be looked at and pinned. */

import { type Focus, NOTHING, sameFocus } from "../values/focus";
import { percent, signed } from "../values/format";
import type { Look } from "../values/look";
import { tallyOf, wordOf } from "../values/sides";
import { type StrongPair, strongestPairs } from "../values/strongest";
import type { Context, Part } from "./context";
import { h, onPointed, setAttributes, setStyle } from "./dom";

export function createList(context: Context): Part {
  const { store, signal } = context;
  const items = h("ol", {});
  const [first, second] = context.sides;
  const element = h(
    "section",
    { class: "fpattr-strongest", "aria-label": "Strongest pairs" },
    h(
      "p",
      {
        title:
          `For each ${wordOf(first, "group", " or ")}, the fewest ${wordOf(second, "all")} that ` +
          "carry half of what is for, or against, it; and positions that are no " +
          `${wordOf(first, "all")} or no ${wordOf(second, "all")}. Percent are of all pairs' ` +
          "magnitudes.",
      },
      "Strongest pairs",
    ),
    items,
  );
  let shown: { focus: Focus; button: HTMLButtonElement }[] = [];
  let drawn: unknown[] = [];

  return { element, paint };

  function paint({ sides: looks }: Look): void {
    const { settings } = store;
    const { pairs, sides } = context;
    const now = [pairs, pairs.version, sides, settings.signs];
    if (now.some((value, i) => value !== drawn[i])) {
      drawn = now;
      const groups = sides[0].groups
        .filter(({ listed }) => listed)
        .map((group) => [group, pairs.along(0, group.features)] as const);
      const strong = strongestPairs(groups, sides[1], settings.signs);
      const longest = Math.abs(strong[0]?.value ?? 0);
      shown = strong.map((pair) => {
        const focus: Focus = [pair.group.features, pair.features];
        return { focus, button: row(pair, focus, longest) };
      });
      setAttributes(element, { "data-empty": shown.length === 0 });
      items.replaceChildren(...shown.map(({ button }) => h("li", {}, button)));
    }
    const pins: Focus = [looks[0].pinned, looks[1].pinned];
    for (const { focus, button } of shown) {
      setAttributes(button, { "aria-pressed": String(sameFocus(focus, pins)) });
    }
  }

  function row(
    { group, features, value }: StrongPair,
    focus: Focus,
    longest: number,
  ): HTMLButtonElement {
    const { pairs } = context;
    const { text, which, whose, special } = group;
    const [rows, columns] = context.sides;
    const told = [`↔ ${tallyOf(columns, features)}`, which, rows.panels.length > 1 ? whose : ""];
    const bar = h("span", { class: "fpattr-stick" });
    setStyle(bar, "inline-size", `${(100 * Math.abs(value)) / longest}%`);
    const button = h(
      "button",
      { type: "button", "data-sign": value < 0 ? "negative" : "positive" },
      h("bdi", { class: "fpattr-name", "data-special": special }, text),
      h("span", { class: "fpattr-count" }, told.filter(Boolean).join(" · ")),
      h("span", { class: "fpattr-sticks", "aria-hidden": "true" }, bar),
      h("span", { class: "fpattr-amount" }, signed(value)),
      h("span", { class: "fpattr-share" }, pairs.complete ? share(value, pairs.magnitude()) : ""),
    );
    const show = () => context.point(focus, null);
    const hide = () => context.point(NOTHING);
    const pin = () => context.pinBoth(sameFocus(context.pinned(), focus) ? NOTHING : focus);
    onPointed(button, show, hide, signal);
    button.addEventListener("click", pin, { signal });
    return button;
  }
}

function share(value: number, all: number): string {
  return all > 0 ? percent(Math.abs(value) / all) : "";
}
