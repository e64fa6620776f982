/** What travels between Python and the page: traits, and messages in both directions. */

/** One text token; `start` and `stop` count Unicode code points of the caption. */
export interface Token {
  text: string;
  word: number | null;
  start: number | null;
  stop: number | null;
  special: boolean;
}

/** The sum that shows that nothing was lost. */
export interface Ledger {
  similarity: number;
  pairs: number;
  caption_only: number;
  image_only: number;
  baseline: number;
  residual: number;
}

export interface About {
  model?: string;
  method?: string;
  layers?: string;
  nodes?: string;
}

export type Theme = "auto" | "light" | "dark";

/** Binary data as hosts deliver it: a view, which may start inside its buffer, or the buffer. */
export type Bytes = ArrayBufferView | ArrayBufferLike | null | undefined;

/** The synced state of a model. A type, not an interface, so that it has an index signature. */
export type Traits = {
  caption: string;
  tokens: Token[];
  /** `[rows, columns]` of patches. */
  grid: [number, number];
  image_special: string[];
  picture: Bytes;
  picture_type: string;
  similarity: number | null;
  ledger: Ledger | Record<string, never>;
  about: About;
  /** float32, little-endian, `(tokens, image_special + patches)`; NaN rows are not there yet. */
  rows: Bytes;
  epoch: number;
  selected_tokens: number[];
  selected_patches: number[];
  theme: Theme;
};

export type Outgoing =
  | { type: "hello"; epoch: number }
  | { type: "rows"; epoch: number; tokens: number[] }
  | { type: "region"; epoch: number; id: number; patches: number[] };

export type Incoming =
  | { type: "rows"; epoch: number; tokens: number[] }
  | { type: "ledger"; epoch: number; ledger: Ledger; similarity: number; about: About }
  | { type: "region"; epoch: number; id: number }
  | { type: "failure"; epoch: number; message: string }
  | { type: "done"; epoch: number };

/** The part of a host's model that the widget uses. */
export interface Model {
  get<K extends keyof Traits>(key: K): Traits[K];
  set<K extends keyof Traits>(key: K, value: Traits[K]): void;
  save_changes(): void;
  send(content: Outgoing): void;
  // biome-ignore lint/suspicious/noExplicitAny: hosts call listeners with what they like
  on(event: string, listener: (...values: any[]) => void): void;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  off(event: string, listener: (...values: any[]) => void): void;
}
