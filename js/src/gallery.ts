/** The gallery's module: one store per model, any number of views of it. */

import { mountGallery } from "./gallery_view";
import { GalleryStore } from "./model/gallery";
import type { GalleryModel } from "./model/gallery_protocol";
import { lifetime } from "./model/lifetime";

interface Props {
  model: GalleryModel;
  /** Newer hosts end it; older ones call the clean-up that is given back. */
  signal?: AbortSignal;
}

export default () => {
  let store: GalleryStore | undefined;
  return {
    initialize({ model, signal }: Props): () => void {
      const opened = new GalleryStore(model);
      store = opened;
      const life = lifetime(signal);
      life.signal.addEventListener("abort", () => opened.close(), { once: true });
      return () => life.abort();
    },
    render({ el, signal }: Props & { el: HTMLElement }): () => void {
      if (!store) throw new Error("render was called before initialize");
      const life = lifetime(signal);
      mountGallery(store, el, life.signal);
      return () => life.abort();
    },
  };
};
