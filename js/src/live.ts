/** What stands in a page without a kernel comes alive where it stands. */

interface Module<M> {
  initialize(props: { model: M }): unknown;
  render(props: { model: M; el: HTMLElement }): unknown;
}

/** Call back with each place that a selector finds and the text of its state, once. */
export function eachPlace(selector: string, show: (place: HTMLElement, state: string) => void) {
  for (const place of document.querySelectorAll<HTMLElement>(`${selector}:not([data-live])`)) {
    const state = place.querySelector("script")?.textContent;
    if (state) show(place, state);
  }
}

/** Put a view of a model in the place of what stands there. */
export function replaceBy<M>(place: HTMLElement, module: Module<M>, model: M, styles: string) {
  module.initialize({ model });
  // A root of its own keeps the surrounding page's styles out.
  const root = document.createElement("div");
  const shadow = root.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(styles);
  shadow.adoptedStyleSheets = [sheet];
  const el = document.createElement("div");
  shadow.append(el);
  module.render({ model, el });
  place.dataset.live = "";
  place.replaceChildren(root);
}
