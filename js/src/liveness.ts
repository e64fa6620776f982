/** Whether Python answers: what is said once it owes a word for too long. */

export const SILENCE = 3000; // ms without an answer after which none is expected

/** `silent`: never a word, as in a saved notebook. `lost`: it spoke before. */
export type Liveness = "waiting" | "live" | "silent" | "lost";

export class Answers {
  state: Liveness = "waiting";
  #heard = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly changed: () => void) {}

  /** Something was asked: an answer is due. */
  expect(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#become(this.#heard ? "lost" : "silent");
    }, SILENCE);
  }

  heard(): void {
    this.#heard = true;
    this.stop();
    this.#become("live");
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #become(state: Liveness): void {
    if (this.state === state) return;
    this.state = state;
    this.changed();
  }
}
