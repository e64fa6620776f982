/**
 * What travels between Python and the page: traits, and messages in both directions.
 *
 * Names and fields are those of `protocol.py`; a test compares the two files.
 */

import type { LedgerState, Level, ScaleChoice, Signs, TokenState } from "../values/shapes";

/** Both sides have to speak the same one. */
export const PROTOCOL = 2;

/** Model, method, layers and nodes in words. */
export type About = Record<string, string>;

/** What the pointer or the keyboard's cursor is on. */
export interface HoveredState {
  tokens: number[];
  patches: number[];
}

export type Theme = "auto" | "light" | "dark";
/** Binary data as hosts deliver it: a view, which may start inside its buffer, or the buffer. */
export type Bytes = ArrayBufferView | ArrayBufferLike | null | undefined;

/** The synced state of a model. A type, not an interface, so that it has an index signature. */
export type Traits = {
  caption: string;
  tokens: TokenState[];
  /** `[rows, columns]` of patches. */
  grid: number[];
  image_special: string[];
  picture: Bytes;
  picture_type: string;
  similarity: number | null;
  ledger: LedgerState | Record<string, never>;
  about: About;
  /** float32, little-endian, `(tokens, image_special + patches)`; NaN rows are not there yet. */
  rows: Bytes;
  epoch: number;
  selected_tokens: number[];
  selected_patches: number[];
  hovered: HoveredState;
  theme: Theme;
  scale: ScaleChoice;
  signs: Signs;
  /** Of the heat map, 0 to 1. */
  opacity: number;
  smooth: boolean;
  keep_colour: boolean;
  level: Level;
  /** Whether `hovered` is kept up to date. */
  report_hover: boolean;
  /** Whether the caption and the picture can be changed in the view. */
  editable: boolean;
};

export interface Hello {
  type: "hello";
  epoch: number;
  protocol: number;
}

export interface RowsRequest {
  type: "rows";
  epoch: number;
  tokens: number[];
}

export interface RegionRequest {
  type: "region";
  epoch: number;
  id: number;
  patches: number[];
}

export interface CaptionEdit {
  type: "caption";
  caption: string;
}

/** The file's bytes are the message's one buffer. */
export interface ImageEdit {
  type: "image";
}

/** The rows are the message's one buffer, in the order of `tokens`. */
export interface RowsMessage {
  type: "rows";
  epoch: number;
  tokens: number[];
}

export interface LedgerMessage {
  type: "ledger";
  epoch: number;
  ledger: LedgerState;
  similarity: number;
  about: About;
}

/** Each token's attribution to the region is the message's one buffer. */
export interface RegionMessage {
  type: "region";
  epoch: number;
  id: number;
}

/** What is being done, in a plain sentence, until the next one or the end of the work. */
export interface ProgressMessage {
  type: "progress";
  epoch: number;
  message: string;
}

export interface FailureMessage {
  type: "failure";
  epoch: number;
  message: string;
}

/** The user stopped Python; what was computed stays. */
export interface InterruptedMessage {
  type: "interrupted";
  epoch: number;
}

export interface DoneMessage {
  type: "done";
  epoch: number;
}

/** An edit of this kind cannot be used; an empty message takes an earlier one back. */
export interface RefusedMessage {
  type: "refused";
  kind: "caption" | "image";
  message: string;
}

export type Outgoing = Hello | RowsRequest | RegionRequest | CaptionEdit | ImageEdit;

export type Incoming =
  | Hello
  | RowsMessage
  | LedgerMessage
  | RegionMessage
  | ProgressMessage
  | FailureMessage
  | InterruptedMessage
  | DoneMessage
  | RefusedMessage;

/** The part of a host's model that the widget uses. */
export interface Model {
  get<K extends keyof Traits>(key: K): Traits[K];
  set<K extends keyof Traits>(key: K, value: Traits[K]): void;
  save_changes(): void;
  send(content: Outgoing, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
  // biome-ignore lint/suspicious/noExplicitAny: hosts call listeners with what they like
  on(event: string, listener: (...values: any[]) => void): void;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  off(event: string, listener: (...values: any[]) => void): void;
}
