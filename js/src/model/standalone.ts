/** A model that nobody else holds: what a page of its own shows, with neither kernel nor notebook. */

import type { Model, Traits } from "./protocol";

type Listener = (...values: unknown[]) => void;

/** Base64 as the page's data holds it. */
interface Packed {
  base64: string;
}

export class StandaloneModel {
  readonly #state: Partial<Traits>;
  readonly #listeners = new Map<string, Set<Listener>>();

  constructor(state: Partial<Traits>) {
    this.#state = state;
  }

  get(name: keyof Traits): Traits[keyof Traits] | undefined {
    return this.#state[name];
  }

  set(name: keyof Traits, value: never): void {
    if (this.#state[name] === value) return;
    this.#state[name] = value;
    for (const listener of this.#listeners.get(`change:${name}`) ?? []) listener(this, value);
  }

  on(event: string, listener: Listener): void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
  }

  off(event: string, listener: Listener): void {
    this.#listeners.get(event)?.delete(listener);
  }

  /** There is nobody to tell. */
  send(): void {}
  save_changes(): void {}
}

/** Read a state from JSON whose bytes are `{"base64": …}`. */
export function parseState(text: string): Model {
  const state = JSON.parse(text, (_, value) => (isPacked(value) ? unpack(value) : value));
  return new StandaloneModel(state) as unknown as Model;
}

function isPacked(value: unknown): value is Packed {
  const keys = typeof value === "object" && value !== null ? Object.keys(value) : [];
  return keys.length === 1 && keys[0] === "base64";
}

function unpack({ base64 }: Packed): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
