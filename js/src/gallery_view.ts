/** One view of a gallery: its shelves, and a line about what is chosen. */

import type { GalleryStore } from "./model/gallery";
import { createChoiceBar } from "./parts/choice_bar";
import { h, setAttributes } from "./parts/dom";
import { createShelf, type ShelfPart } from "./parts/shelf";
import { prefersDark, resolveTheme, watchTheme } from "./parts/theme";
import { choose, type Place, type ShelfState } from "./values/gallery";

const SILENT =
  "Pictures that had not been seen when this was saved are not there: no kernel answers.";

/** Show a gallery in `el` until `signal` ends. */
export function mountGallery(store: GalleryStore, el: HTMLElement, signal: AbortSignal): void {
  // JupyterLab's shortcuts would take the arrow keys and Enter.
  const root = h("div", { class: "fpattr-gallery", "data-lm-suppress-shortcuts": "true" });
  const shelvesElement = h("div", { class: "fpattr-shelves" });
  const trouble = h("p", { class: "fpattr-gallery-trouble", role: "status", hidden: true });
  const bar = createChoiceBar(store, compare, signal);
  const card = h("div", { class: "fpattr-gallery-card" }, shelvesElement, trouble, bar.element);
  const seen = new Map<number, readonly Place[]>();
  let shown: readonly ShelfState[] = [];
  let shelves: ShelfPart[] = [];
  let life = new AbortController();
  /** Whether the next click chooses a second item. */
  let comparing = false;
  let frame = 0;

  root.append(card);
  store.subscribe(invalidate, signal);
  store.thumbnails.subscribe((key) => key === "" && invalidate(), signal);
  watchTheme(invalidate, signal);
  root.addEventListener("keydown", stopOnEscape, { signal });
  signal.addEventListener(
    "abort",
    () => {
      cancelAnimationFrame(frame);
      life.abort();
      store.thumbnails.forget(root);
      root.remove();
    },
    { once: true },
  );
  el.append(root);
  paint();

  function build(): void {
    life.abort();
    life = new AbortController();
    seen.clear();
    shown = store.shelves;
    shelves = shown.map((state, shelf) =>
      createShelf(
        store,
        shelf,
        state,
        {
          choose: pick,
          seen(places) {
            seen.set(shelf, places);
            store.thumbnails.want(root, [...seen.values()].flat());
          },
        },
        life.signal,
      ),
    );
    shelvesElement.replaceChildren(...shelves.map(({ element }) => element));
  }

  function pick(place: Place, further: boolean): void {
    const next = choose(store.chosen, place, further || comparing, store.most);
    comparing = false;
    store.choose(next);
    invalidate();
  }

  function compare(begin: boolean): void {
    comparing = begin;
    paint();
    // The button that had the focus is gone.
    if (begin) root.querySelector<HTMLElement>(".fpattr-tile[aria-selected=true]")?.focus();
    else root.querySelector<HTMLElement>(".fpattr-choice-bar button:not([hidden])")?.focus();
  }

  function stopOnEscape(event: KeyboardEvent): void {
    if (event.key !== "Escape" || !(comparing || store.chosen.length > 1)) return;
    if (comparing) compare(false);
    else store.choose(store.chosen.slice(0, 1));
    event.preventDefault();
    event.stopPropagation();
  }

  function invalidate(): void {
    frame ||= requestAnimationFrame(paint);
  }

  function paint(): void {
    cancelAnimationFrame(frame);
    frame = 0;
    if (shown !== store.shelves) build();
    const { theme, jupyter } = resolveTheme(store.theme, document.body, prefersDark().matches);
    setAttributes(root, {
      "data-theme": theme,
      "data-jupyter": jupyter,
      "data-comparing": comparing && store.chosen.length === 1,
    });
    for (const shelf of shelves) shelf.paint();
    bar.paint(comparing);
    setAttributes(trouble, { hidden: !store.thumbnails.silent });
    trouble.textContent = store.thumbnails.silent ? SILENT : "";
  }
}
