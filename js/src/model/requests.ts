/** What to ask Python for, and how often. */

import type { SideIndex } from "../values/sides";
import { type Outgoing, PROTOCOL } from "./protocol";

const PATIENCE = 2000; // ms before the same thing is asked for again
const ROUNDS = 3; // times that what is still missing after "done" is asked for again
const KEPT = 256; // sums that are kept

export class Requests {
  #epoch = 0;
  #rounds = 0;
  #id = 0;
  /** When each row was last asked for. */
  #rows = new Map<number, number>();
  /** The sum that is being computed; a later one waits until it is there. */
  #running: { id: number; features: readonly number[]; since: number } | null = null;
  #waiting: readonly number[] | null = null;
  #answers = new Map<string, Float32Array>();

  constructor(
    readonly send: (message: Outgoing) => void,
    readonly now: () => number = () => performance.now(),
  ) {}

  /** Forget everything; answers to earlier questions are stale from now on. */
  restart(epoch: number): void {
    this.#epoch = epoch;
    this.#rounds = 0;
    this.#rows.clear();
    this.#answers.clear();
    this.#running = null;
    this.#waiting = null;
  }

  hello(): void {
    this.send({ type: "hello", epoch: this.#epoch, protocol: PROTOCOL });
  }

  /** Ask for features of side 0, each for itself. */
  rows(features: readonly number[]): void {
    const now = this.now();
    const wanted = features.filter((row) => now - (this.#rows.get(row) ?? -Infinity) > PATIENCE);
    if (wanted.length === 0) return;
    for (const row of wanted) this.#rows.set(row, now);
    this.#send(0, 0, wanted);
  }

  /** Ask for what "done" left out. False once that was tried often enough. */
  again(missing: readonly number[]): boolean {
    if (this.#rounds >= ROUNDS) return false;
    this.#rounds++;
    this.#rows.clear();
    this.rows(missing);
    return true;
  }

  /** Ask for the sum over features of side 1; of several that wait, only the last is asked for. */
  sum(features: readonly number[]): void {
    if (this.answer(features)) return;
    const running = this.#running;
    if (running && this.now() - running.since < PATIENCE) {
      this.#waiting = keyOf(running.features) === keyOf(features) ? null : features;
      return;
    }
    this.#waiting = null;
    this.#running = { id: ++this.#id, features, since: this.now() };
    this.#send(1, this.#id, features);
  }

  /** The sum over features of side 1 that came, if it did. */
  answer(features: readonly number[]): Float32Array | undefined {
    return this.#answers.get(keyOf(features));
  }

  answered(id: number, values: Float32Array): boolean {
    const running = this.#running;
    if (running?.id !== id) return false;
    this.#answers.set(keyOf(running.features), values);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > KEPT && oldest !== undefined) this.#answers.delete(oldest);
    this.#running = null;
    if (this.#waiting) this.sum(this.#waiting);
    return true;
  }

  #send(side: SideIndex, id: number, features: readonly number[]): void {
    this.send({ type: "features", epoch: this.#epoch, side, id, features: [...features] });
  }
}

function keyOf(features: readonly number[]): string {
  return features.join();
}
