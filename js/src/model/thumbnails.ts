/** The thumbnails of a gallery: asked for while they are in view, a few at a time, and kept. */

import { keyOf, type Place, type ThumbnailStates } from "../values/gallery";
import type { Bytes } from "../values/shapes";
import type { GalleryModel } from "./gallery_protocol";
import { Listeners } from "./listeners";
import { Answers } from "./liveness";
import { Saver } from "./saver";

/** So many are on their way at once: what is scrolled past meanwhile is not asked for. */
export const AT_ONCE = 12;

export class Thumbnails {
  readonly #made: ThumbnailStates;
  /** Those that cannot be read. */
  readonly #missing = new Set<string>();
  readonly #asked = new Set<string>();
  /** What each view has in sight. */
  readonly #wanted = new Map<object, Map<string, Place>>();
  readonly #listeners = new Listeners<[key: string]>();
  readonly #saver: Saver;
  readonly #answers: Answers;

  constructor(readonly model: GalleryModel) {
    this.#made = { ...model.get("thumbnails") };
    // Python has made them, and need not have them back: they are only put where hosts save.
    this.#saver = new Saver(
      () => model.set("thumbnails", { ...this.#made }),
      () => {},
    );
    this.#answers = new Answers(
      () => this.#unanswered(),
      () => {},
    );
  }

  /** Whether nobody answers. */
  get silent(): boolean {
    return this.#answers.state === "silent" || this.#answers.state === "lost";
  }

  get(place: Place): Bytes | undefined {
    return this.#made[keyOf(place)];
  }

  cannotBeRead(place: Place): boolean {
    return this.#missing.has(keyOf(place));
  }

  /** Call back with the name of each thumbnail that arrives, or cannot be had. */
  subscribe(call: (key: string) => void, signal: AbortSignal): void {
    this.#listeners.add(call, signal);
  }

  /** A view has these in sight now, in place of those before. */
  want(view: object, places: readonly Place[]): void {
    this.#wanted.set(view, new Map(places.map((place) => [keyOf(place), place])));
    this.#ask();
  }

  forget(view: object): void {
    this.#wanted.delete(view);
  }

  /** Python has made one, or could not. */
  receive(place: Place, data: Bytes | undefined): void {
    const key = keyOf(place);
    this.#answers.heard();
    this.#asked.delete(key);
    if (data) {
      this.#made[key] = data;
      this.#saver.schedule();
    } else this.#missing.add(key);
    this.#listeners.call(key);
    this.#ask();
  }

  /** Python has set them all. */
  replace(states: ThumbnailStates): void {
    for (const [key, data] of Object.entries(states)) {
      if (this.#made[key] === data) continue;
      this.#made[key] = data;
      this.#listeners.call(key);
    }
  }

  close(): void {
    this.#saver.flush();
    this.#answers.stop();
    this.#listeners.clear();
  }

  #ask(): void {
    const wanted = new Map([...this.#wanted.values()].flatMap((places) => [...places]));
    const open = [...wanted].filter(
      ([key]) => !(key in this.#made || this.#missing.has(key) || this.#asked.has(key)),
    );
    const items = open.slice(0, Math.max(0, AT_ONCE - this.#asked.size));
    if (items.length === 0) return;
    for (const [key] of items) this.#asked.add(key);
    this.model.send({ type: "thumbnails", items: items.map(([, place]) => place) });
    this.#answers.expect();
  }

  /** What was asked for can be asked for again: a kernel may come back. */
  #unanswered(): void {
    if (this.silent) this.#asked.clear();
    this.#listeners.call("");
  }
}
