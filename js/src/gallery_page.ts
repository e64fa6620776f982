/** Shows the galleries of a page without a kernel, and of the explanations of each the one that is chosen. */

import gallery from "./gallery";
import { eachPlace, replaceBy } from "./live";
import type { GalleryModel } from "./model/gallery_protocol";
import { parseState } from "./model/standalone";
import { keyOf } from "./values/gallery";

/** The gallery's style sheet; set by the build. */
declare const STYLES: string;

eachPlace("[data-fpattr-gallery]", (place, state) => {
  const model = parseState(state) as unknown as GalleryModel;
  replaceBy(place, gallery(), model, STYLES);
  // A page may hold several galleries, each with its own explanations.
  const around = place.closest<HTMLElement>("[data-fpattr-chosen]") ?? document.body;
  model.on("change:chosen", () => follow(model, around));
  follow(model, around);
});

/** Show the explanation of what is chosen, or that the page has none. */
function follow(model: GalleryModel, around: HTMLElement): void {
  const chosen = model.get("chosen").map(keyOf).join(" ");
  const parts = [...around.querySelectorAll<HTMLElement>("[data-explains]")];
  const explains = (part: HTMLElement) => part.dataset.explains?.split(",").includes(chosen);
  // An empty value is of the sentence that there is none.
  const shown = parts.find(explains) ?? parts.find(({ dataset }) => dataset.explains === "");
  for (const part of parts) part.hidden = part !== shown || chosen === "";
}
