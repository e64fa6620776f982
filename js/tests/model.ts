import { encodeFloats } from "../src/model/bytes";
import type { FeaturesMessage, Incoming, Model, Outgoing, Traits } from "../src/model/protocol";
import { DEFAULTS } from "../src/values/settings";
import type { Bytes, SideState, TokenState } from "../src/values/shapes";

/** `[text, word, start, stop]`, or the name of a special token. */
export type Written = string | [text: string, word: number, start: number, stop: number];

export function tokensOf(written: readonly Written[]): TokenState[] {
  return written.map((item) => {
    if (typeof item === "string") {
      return { text: item, word: null, start: null, stop: null, special: true, unknown: false };
    }
    const [text, word, start, stop] = item;
    return { text, word, start, stop, special: false, unknown: false };
  });
}

/** A text and a picture, of which `sidesOf` makes sides. */
export interface Inputs {
  text: string;
  tokens: TokenState[];
  names: string[];
  grid: number[];
  data: Bytes;
  media_type: string;
}

export const INPUTS: Inputs = {
  text: "a snowman, red",
  tokens: tokensOf([
    "BOS",
    ["a", 0, 0, 1],
    ["snow", 1, 2, 6],
    ["man", 1, 6, 9],
    [",", 2, 9, 10],
    ["red", 3, 11, 14],
    "EOS",
  ]),
  names: ["CLS"],
  grid: [2, 3],
  data: null,
  media_type: "image/png",
};

/** A text beside a picture; what is not told is as in `INPUTS`. */
export function sidesOf(changed: Partial<Inputs> = {}): SideState[] {
  const { text, tokens, names, grid, data, media_type } = { ...INPUTS, ...changed };
  const [rows = 0, columns = 0] = grid;
  return [
    {
      panels: [
        {
          kind: "sentence",
          features: tokens.length,
          special: tokens.flatMap(({ special }, i) => (special ? [i] : [])),
          weight: 1,
          ...{ text, tokens },
        },
      ],
      folds: [],
    },
    {
      panels: [
        {
          kind: "picture",
          features: names.length + rows * columns,
          special: names.map((_, i) => i),
          weight: 1,
          ...{ names, grid, data, media_type },
        },
      ],
      folds: [],
    },
  ];
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
      sides: sidesOf(),
      parts: [],
      similarity: null,
      ledger: {},
      read_outs: [],
      about: {},
      rows: null,
      match_rows: null,
      epoch: 1,
      selected_rows: [],
      selected_columns: [],
      hovered: { rows: [], columns: [] },
      ...DEFAULTS,
      theme: "light",
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

/** What a ledger has nothing of where no head makes the score. */
export const HEADLESS = { match: null, routing: null, left_out: 0, left_out_name: "" };

/** Features of side 0, as Python sends them. */
export function features(rows: number[], epoch = 1, part = ""): FeaturesMessage {
  return { type: "features", epoch, part, side: 0, id: 0, features: rows };
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
