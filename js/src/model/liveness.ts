/** Whether Python answers: what is said once it owes a word for too long. */

export const SILENCE = 3000; // ms without an answer after which none is expected
export const QUIET = 5000; // ms without a word after which it is time to ask

/** `silent`: never a word, as in a saved notebook. `lost`: it spoke before. */
export type Liveness = "waiting" | "live" | "silent" | "lost";

export class Answers {
  state: Liveness = "waiting";
  #heard = false;
  #due: ReturnType<typeof setTimeout> | undefined;
  #quiet: ReturnType<typeof setTimeout> | undefined;

  /** `ask` may ask for a sign of life: some hosts do not tell when a kernel is gone. */
  constructor(
    readonly changed: () => void,
    readonly ask: () => void,
  ) {}

  /** Something was asked: an answer is due. */
  expect(): void {
    this.#due ??= setTimeout(() => {
      this.#due = undefined;
      this.#become(this.#heard ? "lost" : "silent");
    }, SILENCE);
  }

  heard(): void {
    this.#heard = true;
    this.stop();
    this.#quiet = setTimeout(this.ask, QUIET);
    this.#become("live");
  }

  stop(): void {
    clearTimeout(this.#due);
    clearTimeout(this.#quiet);
    this.#due = undefined;
  }

  #become(state: Liveness): void {
    if (this.state === state) return;
    this.state = state;
    this.changed();
  }
}

/**
 * Why rows are missing: on their way, stopped by the user, left out by Python, no kernel ever
 * answered, or it answers no more.
 */
export type Absence = "computing" | "interrupted" | "left out" | "silent" | "lost";

export const WHY: Record<Absence, string> = {
  computing: "being computed …",
  interrupted: "not computed: Python was interrupted",
  "left out": "not computed",
  silent: "not computed when this notebook was saved, and no kernel answers",
  lost: "not computed, and the kernel does not answer",
};
