/** A read-out as it is chosen and drawn. */

import type { Read, Reading } from "../values/read_out";

/** What can be chosen to be shown: a read-out, or the change between two. */
export interface Shown {
  readonly name: string;
  readonly reading: Reading;
  /** None of a change. */
  readonly read: Read | null;
}

/** What is drawn of one. */
export interface Drawn {
  readonly elements: readonly HTMLElement[];
  /** Show what is chosen and pinned. */
  mark(): void;
}
