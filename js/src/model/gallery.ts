/** What the views of a gallery share. */

import { existing, type Place, type ShelfState, samePlace } from "../values/gallery";
import type { Theme } from "../values/settings";
import type { GalleryModel, ThumbnailMessage } from "./gallery_protocol";
import { Listeners } from "./listeners";
import { Thumbnails } from "./thumbnails";

const FOLLOWED = ["shelves", "most_chosen", "hint", "theme", "chosen"] as const;

export class GalleryStore {
  readonly thumbnails: Thumbnails;
  readonly #listeners = new Listeners();
  readonly #life = new AbortController();

  constructor(readonly model: GalleryModel) {
    this.thumbnails = new Thumbnails(model);
    for (const name of FOLLOWED) this.#listen(`change:${name}`, () => this.#listeners.call());
    this.#listen("change:thumbnails", () => {
      this.thumbnails.replace(model.get("thumbnails") ?? {});
    });
    this.#listen("msg:custom", (message: ThumbnailMessage, buffers?: DataView[]) => {
      if (message?.type === "thumbnail") this.thumbnails.receive(message.place, buffers?.[0]);
    });
  }

  get shelves(): readonly ShelfState[] {
    return this.model.get("shelves");
  }

  get most(): number {
    return this.model.get("most_chosen");
  }

  get hint(): string {
    return this.model.get("hint");
  }

  get theme(): Theme {
    return this.model.get("theme");
  }

  get chosen(): Place[] {
    return existing(this.model.get("chosen") ?? [], this.shelves, this.most);
  }

  subscribe(call: () => void, signal: AbortSignal): void {
    this.#listeners.add(call, signal);
  }

  /** Choose these; a host that saves the trait would send all thumbnails with it. */
  choose(chosen: Place[]): void {
    const before = this.chosen;
    const same = chosen.length === before.length && chosen.every((p, i) => samePlace(p, before[i]));
    if (same) return;
    this.model.set("chosen", chosen);
    this.model.send({ type: "choose", chosen });
  }

  close(): void {
    this.#life.abort();
    this.thumbnails.close();
    this.#listeners.clear();
  }
  #listen(event: string, listener: Parameters<GalleryModel["on"]>[1]): void {
    this.model.on(event, listener);
    this.#life.signal.addEventListener("abort", () => this.model.off(event, listener));
  }
}
