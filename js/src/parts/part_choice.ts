/** Which part of the pairs is shown: all, match or routing, or a place that was pinned. */

import { ALL, HALVES, isPlace, partSentence } from "../values/parts";
import type { Context } from "./context";
import { choice } from "./controls";
import { h, setAttributes, setText } from "./dom";

export const NOT_HERE =
  "It has to be asked of Python, which does not answer here: run the cell to see it";

export interface PartChoice {
  readonly elements: readonly HTMLElement[];
  paint(): void;
}

export function createPartChoice({ store, signal }: Context): PartChoice {
  const halves = choice(
    "Part of the pairs that is shown",
    {
      all: "All that words and picture add together: match and routing",
      match: partSentence("match"),
      routing: partSentence("routing"),
    },
    (value) => store.set("part", value),
    signal,
  );
  const place = h("button", {
    type: "button",
    class: "fpattr-button",
    title: "Show all pairs again (Escape)",
    hidden: true,
  });
  place.addEventListener("click", () => store.set("part", ALL), { signal });
  return {
    elements: [halves.element, place],
    paint() {
      const { part } = store.settings;
      const { parts } = store.subject;
      const offered = store.offers(part);
      halves.show((offered ? part : ALL) as "all");
      for (const half of HALVES) halves.refuse(half, store.offers(half) ? "" : NOT_HERE);
      setAttributes(halves.element, { hidden: !HALVES.every((half) => parts.includes(half)) });
      const pinned = offered && isPlace(part);
      setText(place, pinned ? `through ${part} ×` : "");
      setAttributes(place, { hidden: !pinned });
    },
  };
}
