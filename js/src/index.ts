/** The widget's module: one store per model, any number of views of it. */

import type { AnyWidget } from "@anywidget/types";
import { lifetime } from "./model/lifetime";
import type { Model, Traits } from "./model/protocol";
import { Scale } from "./model/scale";
import { Selection } from "./model/selection";
import { Store } from "./model/store";
import { mount } from "./view";

interface Props {
  model: Model;
  /** Newer hosts end it; older ones call the clean-up that is given back. */
  signal?: AbortSignal;
}

export default (() => {
  let store: Store | undefined;
  return {
    initialize({ model, signal }: Props): () => void {
      const opened = new Store(model);
      store = opened;
      const life = lifetime(signal);
      life.signal.addEventListener("abort", () => opened.close(), { once: true });
      return () => life.abort();
    },
    render({ el, signal }: Props & { el: HTMLElement }): () => void {
      if (!store) throw new Error("render was called before initialize");
      const life = lifetime(signal);
      mount(store, { selection: new Selection(), scale: new Scale() }, el, life.signal);
      return () => life.abort();
    },
  };
}) satisfies AnyWidget<Traits>;
