/** An image element that follows the bytes of a panel. */

import { bytesOf } from "../model/bytes";
import type { PictureState } from "../values/shapes";
import { h } from "./dom";

export interface ShownImage {
  readonly element: HTMLImageElement;
  /** Width over height of what is loaded, or null. */
  readonly ratio: number | null;
  /** Take these bytes, if they are others. */
  follow(file: Pick<PictureState, "data" | "media_type">): void;
}

export function showImage(changed: () => void, signal: AbortSignal): ShownImage {
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
    follow({ data, media_type: type }) {
      if (data === source) return;
      source = data;
      release();
      const bytes = bytesOf(data);
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
