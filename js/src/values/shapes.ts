/** What is explained, as plain data; fields are those of Python's dataclasses. */

/** Binary data as hosts deliver it: a view, which may start inside its buffer, or the buffer. */
export type Bytes = ArrayBufferView | ArrayBufferLike | null | undefined;

/**
 * A part of a side that is shown by itself. Its features are numbered from 0 on, and those that
 * are none of its units (BOS and EOS among words, CLS among patches) are `special`.
 */
export interface PanelState {
  features: number;
  special: number[];
  /** What its part is multiplied by in the sum that its side is. */
  weight: number;
}

/** A text; its features are its tokens. */
export interface SentenceState extends PanelState {
  kind: "sentence";
  text: string;
  tokens: TokenState[];
}

/** A picture; its features are the special positions, named `names`, and then its patches. */
export interface PictureState extends PanelState {
  kind: "picture";
  names: string[];
  /** `[rows, columns]` of patches. */
  grid: number[];
  data: Bytes;
  media_type: string;
}

/** Every kind of panel that a view can show. */
export type AnyPanel = SentenceState | PictureState;

/**
 * One of the two sides that are compared: its panels, whose features follow each other, and where
 * it is a sum of sentences that share their wording, the words that stand for each other.
 */
export interface SideState {
  panels: AnyPanel[];
  folds: FoldState[];
}

/** Words of several sentences that stand in the same place: “dog / cat”, or the same word. */
export interface FoldState {
  name: string;
  features: number[];
}

/**
 * One text token; `start` and `stop` count Unicode code points of the text. `unknown`: the
 * tokenizer has no piece for it.
 */
export interface TokenState {
  text: string;
  word: number | null;
  start: number | null;
  stop: number | null;
  special: boolean;
  unknown: boolean;
}

/** The sum that shows that nothing was lost. */
export interface LedgerState {
  similarity: number;
  pairs: number;
  rows_only: number;
  columns_only: number;
  baseline: number;
  residual: number;
  /** Both parts of the pairs, where a head makes the score. */
  match: number | null;
  routing: number | null;
  /** What the chosen reading does not show of what both sides do together, and its name. */
  left_out: number;
  left_out_name: string;
  /** What a cosine of two inputs is multiplied by. */
  unit_scale: number;
  /** Of each part of the rows with each of the columns: they add up to the ledger. */
  terms: LedgerTermState[];
}

/** What two parts of the sides add to a ledger. */
export interface LedgerTermState {
  similarity: number;
  pairs: number;
  rows_only: number;
  columns_only: number;
  baseline: number;
  residual: number;
  left_out: number;
}

/** What a head read of an image for a text, and what each part adds to the cosine. */
export interface ReadOutState {
  /** Who reads: `head 1`, …, or the tokens of a query. */
  routes: string[];
  /** What is read, where that is no patch: `mixture 1`, …; empty where the places are patches. */
  places: string[];
  /** `[rows, columns]` of patches, where the places are patches. */
  grid: number[] | null;
  /** Of each route, what it reads of each place. */
  weights: number[][];
  /** Of each route, its attention that went nowhere. */
  nowhere: number[] | null;
  /** Of each route and place, its part of the cosine. */
  contributions: number[][];
  /** What biases add, whatever is read. */
  constant: number;
  similarity: number;
  /** Of each route with each place, where one place wins each route. */
  products: number[][] | null;
  /** Then the name of what each route reads, also where that is no place. */
  winners: string[];
  /** Other scores of the same pair, by what they are. */
  compared: Record<string, number>;
}
