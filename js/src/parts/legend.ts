/** What the colours mean, which of them are shown, and special positions that no panel shows. */

import { NOTHING, on } from "../values/focus";
import { brief, signed } from "../values/format";
import type { Look } from "../values/look";
import { same } from "../values/sets";
import {
  type Both,
  type Group,
  otherThan,
  type PanelWords,
  SIDES,
  type Side,
  type SideIndex,
  sumAt,
  wordOf,
} from "../values/sides";
import { paintValue, spoken } from "./chip";
import type { Context, Part } from "./context";
import { choice } from "./controls";
import { h, setAttributes, setText } from "./dom";

interface SpecialChip {
  readonly side: SideIndex;
  readonly group: Group;
  readonly element: HTMLElement;
}

/** `tools` are put at the end of the row. */
export function createLegend(context: Context, ...tools: HTMLElement[]): Part {
  const { store, signal } = context;
  const ends = SIDES.map((side) => end(wordOf(context.sides[side], "all")));
  const names = ends.map(({ name }) => name).join(" and of ");
  const scale = h(
    "div",
    { class: "fpattr-scale", title: `Where the colours of ${names} end` },
    h("span", { class: "fpattr-gradient", "aria-hidden": "true" }),
    ...ends.map(({ element }) => element),
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
  let drawn: Both<Side> | undefined;
  let chips: SpecialChip[] = [];
  return { element, paint };

  function specialChip(side: SideIndex, group: Group, words: PanelWords): SpecialChip {
    const { name, features } = group;
    const title = `${name}: a feature of ${words.whole} that is no ${words.group}`;
    const chip = h("button", { class: "fpattr-special", type: "button", title }, name);
    const show = () => context.point(on(side, features));
    const hide = () => context.point(NOTHING);
    const pin = () => context.pin(side, same(context.pinned()[side], features) ? [] : features);
    chip.addEventListener("pointerenter", show, { signal });
    chip.addEventListener("pointerleave", hide, { signal });
    chip.addEventListener("focus", show, { signal });
    chip.addEventListener("blur", hide, { signal });
    chip.addEventListener("click", pin, { signal });
    return { side, group, element: chip };
  }

  function draw(): void {
    drawn = context.sides;
    chips = SIDES.flatMap((side) =>
      context.sides[side].panels.flatMap(({ aside, words }) =>
        aside.map((group) => specialChip(side, group, words)),
      ),
    );
    specials.replaceChildren(...chips.map(({ element }) => element));
  }

  function paint({ sides }: Look): void {
    SIDES.forEach((side) => {
      ends[side]?.show(sides[side].limit);
    });
    const { settings } = store;
    signs.show(settings.signs);
    setAttributes(scale, { "data-signs": settings.signs });
    if (drawn !== context.sides) draw();
    for (const { side, group, element } of chips) {
      const { features, name } = group;
      const { chosen, pinned, values } = sides[side];
      const isAmong = (some: readonly number[]) => features.every((one) => some.includes(one));
      const value = sumAt(features, values);
      // It may be worth as much as all that is not special, and is on the scale of the other
      // side's sums; while these are of other choices than this, their scale is not for it.
      const meant = chosen.length === 0 || isAmong(chosen);
      const limit = meant ? sides[otherThan(side)].limit : 0;
      const tinting = { limit, signs: settings.signs, paper: context.paper };
      paintValue(element, value, tinting);
      setAttributes(element, {
        "data-number": brief(value),
        "data-chosen": isAmong(chosen),
        "aria-pressed": String(isAmong(pinned)),
        "aria-label": `${name}${Number.isNaN(value) ? "" : `, ${spoken(value, tinting)}`}`,
      });
    }
  }
}

/** `words ±0.110`: where a scale ends. */
function end(name: string) {
  const limit = h("span", { class: "fpattr-limit" });
  const element = h("span", { class: "fpattr-end", "data-scale": name }, `${name} `, limit);
  return {
    name,
    element,
    show(value: number): void {
      setText(limit, value > 0 ? `±${signed(value).slice(1)}` : "–");
    },
  };
}
