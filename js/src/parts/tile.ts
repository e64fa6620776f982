/** One picture or text of a gallery, with its place and its score. */

import { bytesOf } from "../model/bytes";
import { type ItemState, nameOf, scoreText } from "../values/gallery";
import type { Bytes } from "../values/shapes";
import { h, setAttributes, setStyle, setText } from "./dom";

/** How an item is chosen: by itself, as the first or the second of two, or not at all. */
export type Standing = "alone" | "first" | "second" | null;

const SIGNS = { alone: "", first: "+", second: "−" };

export interface Tile {
  readonly element: HTMLElement;
  paint(standing: Standing): void;
  /** Show a thumbnail, or that there is none. */
  picture(data: Bytes | undefined, missing: boolean): void;
}

/** @param share how far its score lies between the least and the largest, from 0 to 1 */
export function createTile(item: ItemState, share: number, signal: AbortSignal): Tile {
  const image = h("img", { alt: "", draggable: "false", hidden: true });
  const missing = h("span", { class: "fpattr-tile-missing", hidden: true }, "cannot be read");
  const sign = h("span", { class: "fpattr-tile-sign", "aria-hidden": "true", hidden: true });
  const dot = h("span", {});
  setStyle(dot, "inset-inline-start", `${(100 * share).toFixed(1)}%`);
  const element = h(
    "li",
    {
      class: "fpattr-tile",
      role: "option",
      "aria-selected": "false",
      tabindex: -1,
      title: nameOf(item),
      "data-marked": item.marked,
    },
    ...(item.pictured
      ? [h("span", { class: "fpattr-tile-picture" }, image, missing, sign)]
      : [sign]),
    // Spaces, for this is the item's name to those who listen.
    h(
      "span",
      { class: "fpattr-tile-numbers" },
      h("span", { class: "fpattr-tile-place" }, `${item.place}`),
      " ",
      h("span", { class: "fpattr-tile-track" }, dot),
      h("span", { class: "fpattr-tile-score" }, scoreText(item.score)),
    ),
    " ",
    h("span", { class: "fpattr-tile-name" }, item.pictured ? item.name : item.text || item.name),
    ...(item.note ? [" ", h("span", { class: "fpattr-tile-note" }, item.note)] : []),
  );
  let url = "";
  const release = () => url && URL.revokeObjectURL(url);
  signal.addEventListener("abort", release, { once: true });
  return {
    element,
    paint(standing) {
      setAttributes(element, {
        "aria-selected": String(standing !== null),
        "data-standing": standing ?? undefined,
      });
      setText(sign, standing ? SIGNS[standing] : "");
      setAttributes(sign, { hidden: !standing || standing === "alone" });
    },
    picture(data, isMissing) {
      setAttributes(missing, { hidden: !isMissing });
      const bytes = bytesOf(data ?? null);
      if (bytes.length === 0) return;
      release();
      url = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
      image.src = url;
      setAttributes(image, { hidden: false });
    },
  };
}
