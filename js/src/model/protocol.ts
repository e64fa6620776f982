/**
 * What travels between Python and the page: traits, and messages in both directions.
 *
 * Names and fields are those of Python's `protocol.py`; a test compares them.
 */

import { DEFAULTS, type Settings } from "../values/settings";
import type { Bytes, LedgerState, ReadOutState, SideState } from "../values/shapes";

/** Both ends have to speak the same one. */
export const PROTOCOL = 5;

/** Model, method, layers, nodes and the unit, in words. */
export type About = Record<string, string>;

/** What the pointer or the keyboard's cursor is on, as Python's users see it. */
export interface HoveredState {
  rows: number[];
  columns: number[];
}

/** The synced state of a model. A type, not an interface, so that it has an index signature. */
export type Traits = Settings & {
  /** What is explained: two sides. */
  sides: SideState[];
  /** Names of the parts of the pairs that Python can be asked for: `match`, `mixture 1`, … */
  parts: string[];
  similarity: number | null;
  ledger: LedgerState | Record<string, never>;
  /** What a head read, of each part of the rows with each of the columns. */
  read_outs: ReadOutState[];
  about: About;
  /** float32, little-endian, `(features of side 0, features of side 1)`; NaN rows are missing. */
  rows: Bytes;
  /** The same of the part `match`; empty where there is none of it. */
  match_rows: Bytes;
  epoch: number;
  /** Pinned features of each side. */
  selected_rows: number[];
  selected_columns: number[];
  hovered: HoveredState;
};

/**
 * What the page does when a trait changes. `shape`: something else is explained, start anew;
 * `painted`: paint again; `setting`: read the settings again; `own`: see the store.
 */
export type Role = "shape" | "painted" | "setting" | "own";

const SETTING_ROLES = Object.fromEntries(
  Object.keys(DEFAULTS).map((name) => [name, "setting"]),
) as Record<keyof Settings, "setting">;

export const ROLES = {
  sides: "shape",
  parts: "shape",
  epoch: "shape",
  similarity: "painted",
  ledger: "painted",
  read_outs: "painted",
  about: "painted",
  rows: "own",
  match_rows: "own",
  selected_rows: "own",
  selected_columns: "own",
  hovered: "own",
  ...SETTING_ROLES,
} as const satisfies { [K in keyof Traits]: K extends keyof Settings ? "setting" : Role };

/** The traits that have a role. */
export type With<R extends Role> = {
  [K in keyof Traits]: (typeof ROLES)[K] extends R ? K : never;
}[keyof Traits];

export interface Hello {
  type: "hello";
  epoch: number;
  protocol: number;
}

/**
 * Ask for features of side 0 one by one, or for the sum over features of side 1. Python goes on
 * with all rows of a part of which it was asked for some.
 */
export interface FeaturesRequest {
  type: "features";
  epoch: number;
  /** The part of the pairs; empty for the pairs themselves. */
  part: string;
  side: number;
  /** Comes back with the answer. */
  id: number;
  features: number[];
}

/** The user changed a text. */
export interface TextEdit {
  type: "text";
  side: number;
  text: string;
}

/** The user chose a file; its bytes are the message's one buffer. */
export interface FileEdit {
  type: "file";
  side: number;
}

/**
 * Values are the message's one buffer. Side 0: those of each feature with all of side 1, in the
 * order of `features`. Side 1: those of each feature of side 0 with all of `features` together.
 */
export interface FeaturesMessage {
  type: "features";
  epoch: number;
  /** The part of the pairs that the values are of; empty for the pairs themselves. */
  part: string;
  side: number;
  /** Of the request; 0 where nobody asked. */
  id: number;
  features: number[];
}

export interface LedgerMessage {
  type: "ledger";
  epoch: number;
  ledger: LedgerState;
  read_outs: ReadOutState[];
  similarity: number;
  about: About;
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

/** An edit of this side cannot be used; an empty message takes an earlier one back. */
export interface RefusedMessage {
  type: "refused";
  side: number;
  message: string;
}

export type Outgoing = Hello | FeaturesRequest | TextEdit | FileEdit;

export type Incoming =
  | Hello
  | FeaturesMessage
  | LedgerMessage
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
