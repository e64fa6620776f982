/** What the colours mean, which of them are shown, and special positions that no panel shows. */

import { NOTHING, on } from "../values/focus";
import { brief, signed } from "../values/format";
import type { Look, Place } from "../values/look";
import { same } from "../values/sets";
import type { Settings } from "../values/settings";
import {
  type Both,
  type Group,
  otherThan,
  type PanelWords,
  type ScaleKind,
  SIDES,
  type Side,
  type SideIndex,
  sumAt,
} from "../values/sides";
import { paintValue, spoken } from "./chip";
import type { Context, Part } from "./context";
import { choice } from "./controls";
import { h, onPointed, setAttributes, setStyle, setText } from "./dom";
import { createPartChoice } from "./part_choice";

interface SpecialChip {
  readonly side: SideIndex;
  readonly group: Group;
  readonly element: HTMLElement;
}

/** `tools` are put at the end of the row. */
export function createLegend(context: Context, ...tools: HTMLElement[]): Part {
  const { store, signal } = context;
  const scales = scalesOf(context.sides).map(createScale);
  const scale = h("div", { class: "fpattr-scale" }, ...scales.map(({ element }) => element));
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
  const part = createPartChoice(context);
  const specials = h("div", { class: "fpattr-specials" });
  const element = h(
    "div",
    { class: "fpattr-legend" },
    scale,
    h("div", { class: "fpattr-tools" }, ...part.elements, signs.element, ...tools, specials),
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
    onPointed(chip, show, hide, signal);
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

  function paint(look: Look): void {
    const { sides } = look;
    const { settings } = store;
    for (const each of scales) each.paint(look, settings, context.state.place);
    part.paint();
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

/** A scale of colours: of the sums that words show, or of single patches. */
interface ScaleOf {
  readonly side: SideIndex;
  readonly kind: ScaleKind;
  readonly name: string;
}

/** The scales of both sides; where both have the same, the name says whose it is. */
function scalesOf(sides: Both<Side>): ScaleOf[] {
  const scales = SIDES.flatMap((side) =>
    (["sums", "singles"] as const).flatMap((kind): ScaleOf[] => {
      const panels = sides[side].panels.filter(({ scale }) => scale === kind);
      const name = [...new Set(panels.map(({ words }) => words.all))].join(" and ");
      return name ? [{ side, kind, name }] : [];
    }),
  );
  return scales.map((one) => {
    const twice = scales.filter(({ name }) => name === one.name).length > 1;
    return twice ? { ...one, name: `${one.name} (${one.side === 0 ? "first" : "second"})` } : one;
  });
}

/** `words ±0.110`: the colours as they are used, where they end, and where the pointer is. */
function createScale({ side, kind, name }: ScaleOf) {
  const limit = h("span", { class: "fpattr-limit" });
  const here = h("span", { class: "fpattr-here", hidden: true });
  const gradient = h("span", { class: "fpattr-gradient", "aria-hidden": "true" }, here);
  const element = h(
    "span",
    {
      class: "fpattr-end",
      "data-scale": name,
      "data-kind": kind,
      title: `Where the colours of ${name} end`,
    },
    gradient,
    `${name} `,
    limit,
  );
  return {
    element,
    paint({ sides, atPlace }: Look, { opacity }: Settings, place: Place | null): void {
      const end = sides[side].limits[kind];
      setText(limit, end > 0 ? `±${signed(end).slice(1)}` : "–");
      setStyle(gradient, "--fpattr-strength", kind === "singles" ? String(opacity) : "");
      const pointed = place?.side === side && end > 0 ? (atPlace ?? Number.NaN) : Number.NaN;
      const share = Math.min(1, Math.max(-1, pointed / end));
      setAttributes(here, { hidden: Number.isNaN(share) });
      if (!Number.isNaN(share)) setStyle(here, "left", `${(50 * (share + 1)).toFixed(1)}%`);
    },
  };
}
