/** What to ask Python for, and how often. */

import type { SideIndex } from "../values/sides";
import { type Outgoing, PROTOCOL } from "./protocol";

const PATIENCE = 2000; // ms before the same thing is asked for again
const ROUNDS = 3; // times that what is still missing after "done" is asked for again
const KEPT = 256; // sums that are kept

/** A sum over features of side 1, of a part of the pairs. */
interface Sum {
  readonly part: string;
  readonly features: readonly number[];
}

export class Requests {
  #epoch = 0;
  #rounds = 0;
  #id = 0;
  /** When each row of each part was last asked for. */
  #rows = new Map<string, number>();
  /** The part of which all rows were asked for, and when it was last heard of. */
  #filling = { part: "", since: 0 };
  /** The sum that is being computed; a later one waits until it is there. */
  #running: (Sum & { id: number; since: number }) | null = null;
  #waiting: Sum | null = null;
  #answers = new Map<string, Float32Array>();

  constructor(
    readonly send: (message: Outgoing) => void,
    readonly now: () => number = () => performance.now(),
  ) {}

  /** Forget everything; answers to earlier questions are stale from now on. */
  restart(epoch: number): void {
    this.#epoch = epoch;
    this.#rounds = 0;
    this.#filling.part = "";
    this.#rows.clear();
    this.#answers.clear();
    this.#running = null;
    this.#waiting = null;
  }

  hello(): void {
    this.send({ type: "hello", epoch: this.#epoch, protocol: PROTOCOL });
  }

  /** Ask for features of side 0, each for itself. */
  rows(features: readonly number[], part = ""): void {
    const now = this.now();
    const keyOf = (row: number) => `${part} ${row}`;
    const wanted = features.filter(
      (row) => now - (this.#rows.get(keyOf(row)) ?? -Infinity) > PATIENCE,
    );
    if (wanted.length === 0) return;
    for (const row of wanted) this.#rows.set(keyOf(row), now);
    if (part) this.#filling = { part, since: now };
    this.#send(0, 0, wanted, part);
  }

  /** Ask for all rows of a part, again when nothing of it came for a while. */
  fill(part: string): void {
    const now = this.now();
    if (this.#filling.part === part && now - this.#filling.since < PATIENCE) return;
    this.#filling = { part, since: now };
    this.#send(0, 0, [], part);
  }

  /** Rows of a part came: the others are on their way. */
  came(part: string): void {
    if (this.#filling.part === part) this.#filling.since = this.now();
  }

  /** Ask for what "done" left out. False once that was tried often enough. */
  again(missing: readonly number[], part = ""): boolean {
    if (this.#rounds >= ROUNDS) return false;
    this.#rounds++;
    this.#rows.clear();
    this.rows(missing, part);
    return true;
  }

  /** Ask for the sum over features of side 1; of several that wait, only the last is asked for. */
  sum(features: readonly number[], part = ""): void {
    if (this.answer(features, part)) return;
    const running = this.#running;
    const asked = { features, part };
    if (running && this.now() - running.since < PATIENCE) {
      this.#waiting = keyOf(running) === keyOf(asked) ? null : asked;
      return;
    }
    this.#waiting = null;
    this.#running = { id: ++this.#id, ...asked, since: this.now() };
    this.#send(1, this.#id, features, part);
  }

  /** The sum over features of side 1 that came, if it did. */
  answer(features: readonly number[], part = ""): Float32Array | undefined {
    return this.#answers.get(keyOf({ features, part }));
  }

  answered(id: number, values: Float32Array): boolean {
    const running = this.#running;
    if (running?.id !== id) return false;
    this.#answers.set(keyOf(running), values);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > KEPT && oldest !== undefined) this.#answers.delete(oldest);
    this.#running = null;
    if (this.#waiting) this.sum(this.#waiting.features, this.#waiting.part);
    return true;
  }

  #send(side: SideIndex, id: number, features: readonly number[], part: string): void {
    this.send({ type: "features", epoch: this.#epoch, part, side, id, features: [...features] });
  }
}

function keyOf({ part, features }: Sum): string {
  return `${part} ${features.join()}`;
}
