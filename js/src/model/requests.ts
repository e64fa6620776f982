/** What to ask Python for, and how often. */

import { type Outgoing, PROTOCOL } from "./protocol";

const PATIENCE = 2000; // ms before the same thing is asked for again
const ROUNDS = 3; // times that what is still missing after "done" is asked for again
const KEPT = 256; // answers for regions that are kept

export class Requests {
  #epoch = 0;
  #rounds = 0;
  #id = 0;
  /** When each row was last asked for. */
  #rows = new Map<number, number>();
  /** The region that is being computed; a later one waits until it is there. */
  #running: { id: number; patches: readonly number[]; since: number } | null = null;
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

  rows(tokens: readonly number[]): void {
    const now = this.now();
    const wanted = tokens.filter((token) => now - (this.#rows.get(token) ?? -Infinity) > PATIENCE);
    if (wanted.length === 0) return;
    for (const token of wanted) this.#rows.set(token, now);
    this.send({ type: "rows", epoch: this.#epoch, tokens: wanted });
  }

  /** Ask for what "done" left out. False once that was tried often enough. */
  again(missing: readonly number[]): boolean {
    if (this.#rounds >= ROUNDS) return false;
    this.#rounds++;
    this.#rows.clear();
    this.rows(missing);
    return true;
  }

  region(patches: readonly number[]): void {
    if (this.answer(patches)) return;
    const running = this.#running;
    if (running && this.now() - running.since < PATIENCE) {
      this.#waiting = keyOf(running.patches) === keyOf(patches) ? null : patches;
      return;
    }
    this.#waiting = null;
    this.#running = { id: ++this.#id, patches, since: this.now() };
    this.send({ type: "region", epoch: this.#epoch, id: this.#id, patches: [...patches] });
  }

  /** A region's token values that came, if they did. */
  answer(patches: readonly number[]): Float32Array | undefined {
    return this.#answers.get(keyOf(patches));
  }

  answered(id: number, values: Float32Array): boolean {
    const running = this.#running;
    if (running?.id !== id) return false;
    this.#answers.set(keyOf(running.patches), values);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > KEPT && oldest !== undefined) this.#answers.delete(oldest);
    this.#running = null;
    if (this.#waiting) this.region(this.#waiting);
    return true;
  }
}

function keyOf(patches: readonly number[]): string {
  return patches.join();
}
