/** The line under a gallery: what is chosen, and how another is chosen to compare it with. */

import type { GalleryStore } from "../model/gallery";
import { differenceOf, type ItemState, nameOf, type Place, scoreText } from "../values/gallery";
import { h, setAttributes } from "./dom";

export interface ChoiceBar {
  readonly element: HTMLElement;
  paint(comparing: boolean): void;
}

/** @param compare begins to choose a second item, or ends it */
export function createChoiceBar(
  store: GalleryStore,
  compare: (begin: boolean) => void,
  signal: AbortSignal,
): ChoiceBar {
  const said = h("span", { class: "fpattr-choice-said", role: "status" });
  const begin = button("compare with another", () => compare(true));
  const cancel = button("cancel", () => compare(false));
  const swap = button("swap", () => store.choose([...store.chosen].reverse()));
  const drop = button("only the first", () => store.choose(store.chosen.slice(0, 1)));
  const tools = h("span", { class: "fpattr-choice-tools" }, begin, cancel, swap, drop);
  const element = h("div", { class: "fpattr-choice-bar" }, said, tools);
  return { element, paint };

  function button(text: string, act: () => void): HTMLButtonElement {
    const made = h("button", { type: "button" }, text);
    made.addEventListener("click", act, { signal });
    return made;
  }

  function paint(comparing: boolean): void {
    const { chosen, most } = store;
    const items = chosen.flatMap((place) => itemAt(place) ?? []);
    const [first, second] = items;
    const asking = comparing && items.length === 1;
    const count = store.shelves.reduce((sum, { items }) => sum + items.length, 0);
    setAttributes(begin, { hidden: most < 2 || items.length !== 1 || asking || count < 2 });
    setAttributes(cancel, { hidden: !asking });
    setAttributes(swap, { hidden: items.length !== 2 });
    setAttributes(drop, { hidden: items.length < 2 });
    setAttributes(element, { "data-comparing": asking });
    if (!first) said.replaceChildren(store.hint);
    else if (asking) {
      said.replaceChildren("Choose what to compare ", ...named(first), " with.");
    } else if (second) {
      const difference = differenceOf(first, second);
      said.replaceChildren(
        ...[sign("+"), ...named(first), " rather than ", sign("−"), ...named(second)],
        ...(difference ? [": ", h("span", { class: "fpattr-difference" }, difference)] : []),
      );
    } else said.replaceChildren(...named(first), `, score ${scoreText(first.score)}`);
  }

  function itemAt([shelf, item]: Place): ItemState | undefined {
    return store.shelves[shelf]?.items[item];
  }
}

function named(item: ItemState): Node[] {
  return [
    h("span", { class: "fpattr-tile-place" }, `${item.place}`),
    h("strong", {}, nameOf(item)),
  ];
}

function sign(text: "+" | "−"): HTMLElement {
  return h("span", { class: "fpattr-choice-sign", "data-sign": text }, text);
}
