/** Shows the explanations of a page that has no kernel and no notebook. */

import widget from "./index";
import { parseState } from "./model/standalone";

/** The view's style sheet; set by the build. */
declare const STYLES: string;

for (const place of document.querySelectorAll<HTMLElement>("[data-fpattr]:not([data-live])")) {
  const state = place.querySelector("script")?.textContent;
  if (state) show(place, state);
}

function show(place: HTMLElement, state: string): void {
  const model = parseState(state);
  const { initialize, render } = widget();
  initialize({ model });
  // A root of its own keeps the surrounding page's styles out.
  const root = document.createElement("div");
  const shadow = root.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLES);
  shadow.adoptedStyleSheets = [sheet];
  const el = document.createElement("div");
  shadow.append(el);
  render({ model, el });
  place.dataset.live = "";
  place.replaceChildren(root);
}
