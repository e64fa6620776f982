/** The line above a panel of several: its sign and weight, and which one it is. */

import type { Look } from "../values/look";
import { titleOf, weightText } from "../values/weights";
import type { Context, Shown } from "./context";
import { h, setAttributes, setText } from "./dom";

export interface Heading {
  readonly element: HTMLElement;
  paint(look: Look): void;
}

/** What it says is in the panel's label too, for those who listen. */
export function createHeading(context: Context, shown: Shown): Heading {
  const { store, signal } = context;
  const weight = h("span", { class: "fpattr-weight", "aria-hidden": "true" });
  const title = h("span", { class: "fpattr-title", "aria-hidden": "true" });
  const fold = h(
    "button",
    {
      type: "button",
      class: "fpattr-button fpattr-fold",
      role: "switch",
      title: "Show words that stand in the same place as one: what the captions share cancels",
    },
    "fold",
  );
  fold.addEventListener("click", () => store.set("fold", !store.settings.fold), { signal });
  const element = h(
    "div",
    { class: "fpattr-heading fpattr-small", hidden: true },
    weight,
    title,
    fold,
  );
  return {
    element,
    paint() {
      const { standing, words, side, first } = shown.now;
      const { parts, fold: folding } = context.sides[side];
      const folded = folding === "folded";
      const weighted = standing.summed && !folded;
      setText(weight, weighted ? weightText(standing.weight) : "");
      setText(
        title,
        folded ? `${parts.length} ${words.noun}s, folded` : titleOf(words.noun, standing),
      );
      setAttributes(fold, {
        hidden: folding === null || first > 0,
        "aria-checked": String(folded),
      });
      setAttributes(element, {
        hidden: !standing.summed && standing.count < 2 && !folded,
        "data-sign": standing.weight < 0 ? "negative" : "positive",
      });
    },
  };
}
