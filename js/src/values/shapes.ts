/** What is explained, as plain data: fields are those of Python's dataclasses and of its settings. */

/**
 * One text token; `start` and `stop` count Unicode code points of the caption. `unknown`: the
 * tokenizer has no piece for it; older states do not tell.
 */
export interface TokenState {
  text: string;
  word: number | null;
  start: number | null;
  stop: number | null;
  special: boolean;
  unknown?: boolean;
}

/** The sum that shows that nothing was lost. */
export interface LedgerState {
  similarity: number;
  pairs: number;
  caption_only: number;
  image_only: number;
  baseline: number;
  residual: number;
}

/** One scale for the maps of all words, or each map's own. */
export type ScaleChoice = "shared" | "own";
/** Which values are painted and listed. */
export type Signs = "both" | "for" | "against";
/** What a chip of the caption is. */
export type Level = "words" | "tokens";
