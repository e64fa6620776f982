import { encodeFloats } from "../src/model/bytes";
import type { Bytes, Incoming, Model, Outgoing, Traits } from "../src/model/protocol";
import type { TokenState } from "../src/values/shapes";

/** `[text, word, start, stop]`, or the name of a special token. */
export type Written = string | [text: string, word: number, start: number, stop: number];

export function tokensOf(written: readonly Written[]): TokenState[] {
  return written.map((item) => {
    if (typeof item === "string") {
      return { text: item, word: null, start: null, stop: null, special: true };
    }
    const [text, word, start, stop] = item;
    return { text, word, start, stop, special: false };
  });
}

/** A model that keeps traits, calls its listeners, and remembers what it was told to do. */
export class FakeModel implements Model {
  readonly traits: Traits;
  readonly sent: Outgoing[] = [];
  readonly buffers: ArrayBuffer[][] = [];
  readonly saves: number[] = [];
  // biome-ignore lint/suspicious/noExplicitAny: as hosts have it
  readonly listeners = new Map<string, Set<(...values: any[]) => void>>();

  constructor(traits: Partial<Traits> = {}) {
    this.traits = {
      caption: "a snowman, red",
      tokens: tokensOf([
        "BOS",
        ["a", 0, 0, 1],
        ["snow", 1, 2, 6],
        ["man", 1, 6, 9],
        [",", 2, 9, 10],
        ["red", 3, 11, 14],
        "EOS",
      ]),
      grid: [2, 3],
      image_special: ["CLS"],
      picture: null,
      picture_type: "image/png",
      similarity: null,
      ledger: {},
      about: {},
      rows: null,
      epoch: 1,
      selected_tokens: [],
      selected_patches: [],
      hovered: { tokens: [], patches: [] },
      theme: "light",
      scale: "shared",
      signs: "both",
      opacity: 1,
      smooth: false,
      keep_colour: false,
      level: "words",
      report_hover: false,
      editable: false,
      ...traits,
    };
  }

  get<K extends keyof Traits>(key: K): Traits[K] {
    return this.traits[key];
  }

  set<K extends keyof Traits>(key: K, value: Traits[K]): void {
    this.traits[key] = value;
    this.emit(`change:${key}`);
  }

  /** All at once, as a state update from Python does it: values first, then events. */
  update(traits: Partial<Traits>): void {
    Object.assign(this.traits, traits);
    for (const key of Object.keys(traits)) this.emit(`change:${key}`);
  }

  save_changes(): void {
    this.saves.push(Date.now());
  }

  send(message: Outgoing, _callbacks?: unknown, buffers: ArrayBuffer[] = []): void {
    this.sent.push(message);
    this.buffers.push(buffers);
  }

  // biome-ignore lint/suspicious/noExplicitAny: as hosts have it
  on(event: string, listener: (...values: any[]) => void): void {
    const known = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, known.add(listener));
  }

  // biome-ignore lint/suspicious/noExplicitAny: as hosts have it
  off(event: string, listener: (...values: any[]) => void): void {
    this.listeners.get(event)?.delete(listener);
  }

  emit(event: string, ...values: unknown[]): void {
    for (const listener of [...(this.listeners.get(event) ?? [])]) listener(...values);
  }

  receive(message: Incoming, buffers: Bytes[] = []): void {
    this.emit("msg:custom", message, buffers);
  }

  get listening(): number {
    return [...this.listeners.values()].reduce((sum, set) => sum + set.size, 0);
  }
}

/** Width of the fake model's matrix: one special feature and 2 × 3 patches. */
export const WIDTH = 7;

/** A matrix whose entry (token, column) is `token + column / 10`, or `-1` times it for odd rows. */
export function row(token: number): Float32Array {
  const sign = token % 2 === 0 ? 1 : -1;
  return Float32Array.from({ length: WIDTH }, (_, j) => sign * (token + j / 10));
}

export function rowsBuffer(tokens: readonly number[]): DataView {
  const values = new Float32Array(tokens.length * WIDTH);
  tokens.forEach((token, i) => {
    values.set(row(token), i * WIDTH);
  });
  return encodeFloats(values);
}
