/** A shelf of a gallery: its title, and its items as tiles, whose pictures come as they are seen. */

import type { GalleryStore } from "../model/gallery";
import {
  extentOf,
  keyOf,
  type Place,
  rangeOf,
  type ShelfState,
  samePlace,
  shareOf,
  step,
} from "../values/gallery";
import { h, setAttributes, setText } from "./dom";
import { createTile, type Standing, type Tile } from "./tile";

/** How far beyond what is seen thumbnails are asked for. */
const AHEAD = "200px 0px";

/** So many items are shown whole from the start. */
const FEW = 12;

export interface ShelfPart {
  readonly element: HTMLElement;
  paint(): void;
}

export interface ShelfActions {
  /** Choose an item, alone or beside what is chosen. */
  choose(place: Place, further: boolean): void;
  /** The shelf has these in sight now. */
  seen(places: readonly Place[]): void;
}

export function createShelf(
  store: GalleryStore,
  shelf: number,
  state: ShelfState,
  actions: ShelfActions,
  signal: AbortSignal,
): ShelfPart {
  const { thumbnails } = store;
  const range = rangeOf(state.items);
  const tiles = state.items.map((item) => createTile(item, shareOf(item.score, range), signal));
  const places = state.items.map((_, item): Place => [shelf, item]);
  const few = state.items.length <= FEW;
  let whole = few;
  const title = h("span", { class: "fpattr-shelf-title" }, state.title);
  const extent = h("span", { class: "fpattr-shelf-extent" }, extentOf(state.items));
  const more = h("button", { type: "button", class: "fpattr-shelf-more", hidden: true });
  const list = h(
    "ol",
    {
      class: "fpattr-tiles",
      role: "listbox",
      "aria-label": state.title || "items",
      "aria-multiselectable": String(store.most > 1),
      "data-whole": whole,
      "data-kind": state.items.every(({ pictured }) => pictured) ? "pictures" : "texts",
    },
    ...tiles.map(({ element }) => element),
  );
  const element = h(
    "section",
    { class: "fpattr-shelf" },
    h("div", { class: "fpattr-shelf-heading" }, title, extent, more),
    list,
  );
  const indices = new Map<Element, number>(tiles.map(({ element }, index) => [element, index]));
  const byKey = new Map(places.map((place, index) => [keyOf(place), index]));
  /** The item that Tab leads to. */
  let stop = -1;

  list.addEventListener("click", (event) => pick(event.target, event.shiftKey), { signal });
  list.addEventListener("keydown", onKey, { signal });
  list.addEventListener("focusin", (event) => stopAt(indexOf(event.target)), { signal });
  more.addEventListener("click", () => showWhole(!whole), { signal });
  thumbnails.subscribe((key) => {
    const index = byKey.get(key);
    if (index !== undefined) showPicture(index);
  }, signal);
  for (const index of tiles.keys()) showPicture(index);
  stopAt(0);
  watch();
  return { element, paint };

  function paint(): void {
    const { chosen } = store;
    for (const [index, tile] of tiles.entries()) tile.paint(standingOf(places[index], chosen));
    const first = chosen.find(([of]) => of === shelf);
    const { activeElement } = list.getRootNode() as Document | ShadowRoot;
    if (first && !list.contains(activeElement)) stopAt(first[1]);
  }

  function standingOf(place: Place | undefined, chosen: readonly Place[]): Standing {
    const at = chosen.findIndex((other) => samePlace(other, place));
    if (at < 0) return null;
    if (chosen.length < 2) return "alone";
    return at === 0 ? "first" : "second";
  }

  function showPicture(index: number): void {
    const [tile, place] = [tiles[index], places[index]];
    if (!tile || !place || !state.items[index]?.pictured) return;
    tile.picture(thumbnails.get(place), thumbnails.cannotBeRead(place));
  }

  function indexOf(target: EventTarget | null): number {
    const tile = target instanceof Element ? target.closest(".fpattr-tile") : null;
    return (tile && indices.get(tile)) ?? -1;
  }

  function pick(target: EventTarget | null, further: boolean): void {
    const place = places[indexOf(target)];
    if (place) actions.choose(place, further);
  }

  function stopAt(index: number): void {
    const tile: Tile | undefined = tiles[index];
    if (!tile || index === stop) return;
    if (stop >= 0) setAttributes(tiles[stop]?.element ?? tile.element, { tabindex: -1 });
    setAttributes(tile.element, { tabindex: 0 });
    stop = index;
  }

  function onKey(event: KeyboardEvent): void {
    const from = indexOf(event.target);
    if (from < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") pick(event.target, event.shiftKey);
    else {
      const top = tiles[0]?.element.offsetTop;
      const across = tiles.filter(({ element: { offsetTop } }) => offsetTop === top).length;
      const to = step(event.key, from, tiles.length, across);
      if (to === undefined) return;
      tiles[to]?.element.focus();
    }
    event.preventDefault();
    event.stopPropagation();
  }

  function showWhole(open: boolean): void {
    whole = open;
    setAttributes(list, { "data-whole": whole });
    offerMore();
  }

  /** Offer to show all where the list scrolls. */
  function offerMore(): void {
    const scrolls = list.scrollHeight > list.clientHeight + 1;
    setAttributes(more, { hidden: few || (!whole && !scrolls), "aria-expanded": String(whole) });
    setText(more, whole ? "show less" : "show all");
  }

  /** Ask for the thumbnails of what comes into view. */
  function watch(): void {
    const pictured = tiles.filter((_, index) => state.items[index]?.pictured);
    if (typeof ResizeObserver !== "undefined") {
      const sizes = new ResizeObserver(offerMore);
      sizes.observe(list);
      signal.addEventListener("abort", () => sizes.disconnect(), { once: true });
    }
    if (typeof IntersectionObserver === "undefined") {
      actions.seen(places.filter((_, index) => state.items[index]?.pictured));
      return;
    }
    const inSight = new Set<number>();
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          const index = indices.get(target);
          if (index === undefined) continue;
          if (isIntersecting) inSight.add(index);
          else inSight.delete(index);
        }
        const seen = [...inSight].sort((one, other) => one - other);
        actions.seen(seen.flatMap((index) => (places[index] ? [places[index]] : [])));
      },
      // As far beyond what scrolls inside the page, where browsers know it.
      { rootMargin: AHEAD, scrollMargin: AHEAD } as IntersectionObserverInit,
    );
    for (const { element: tile } of pictured) observer.observe(tile);
    signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  }
}
