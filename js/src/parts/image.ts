/** The picture of a store as an image element that follows it. */

import { bytesOf } from "../model/bytes";
import type { Store } from "../model/store";
import { h } from "./dom";

export interface ShownImage {
  readonly element: HTMLImageElement;
  /** Width over height of what is loaded, or null. */
  readonly ratio: number | null;
  /** Take the store's picture, if it is another one. */
  follow(): void;
}

export function showImage(store: Store, changed: () => void, signal: AbortSignal): ShownImage {
  const element = h("img", { class: "fpattr-img", alt: "", draggable: "false" });
  let source: unknown = null;
  let url = "";
  let ratio: number | null = null;
  const release = () => url && URL.revokeObjectURL(url);
  signal.addEventListener("abort", release, { once: true });
  element.addEventListener(
    "load",
    () => {
      ratio = element.naturalWidth / element.naturalHeight || 1;
      changed();
    },
    { signal },
  );
  return {
    element,
    get ratio() {
      return ratio;
    },
    follow() {
      const picture = store.model.get("picture");
      if (picture === source) return;
      source = picture;
      release();
      const bytes = bytesOf(picture);
      const type = store.model.get("picture_type") ?? "";
      if (bytes.length > 0 && type.startsWith("image/")) {
        url = URL.createObjectURL(new Blob([bytes], { type }));
        element.src = url;
      } else {
        url = "";
        ratio = null;
        element.removeAttribute("src");
      }
    },
  };
}
