/** What is chosen, by pins and by the pointer; several views, also of several models, share one. */

import { type Focus, NOTHING, sameFocus } from "../values/focus";
import { ascending } from "../values/sets";
import { both } from "../values/sides";
import { Listeners } from "./listeners";

export class Selection {
  #pins: Focus = NOTHING;
  #hover: Focus = NOTHING;
  readonly #listeners = new Listeners<[changed: "pins" | "hover"]>();

  get pins(): Focus {
    return this.#pins;
  }

  /** What the pointer, or the keyboard's cursor, is on. */
  get hover(): Focus {
    return this.#hover;
  }

  pin(focus: Focus): void {
    const pins = both((side) => ascending(focus[side]));
    if (sameFocus(pins, this.#pins)) return;
    this.#pins = pins;
    this.#listeners.call("pins");
  }

  point(focus: Focus): void {
    if (sameFocus(focus, this.#hover)) return;
    this.#hover = focus;
    this.#listeners.call("hover");
  }

  subscribe(listener: (changed: "pins" | "hover") => void, signal: AbortSignal): void {
    this.#listeners.add(listener, signal);
  }
}
