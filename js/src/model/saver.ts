/** Puts what arrived into the model, so that it is saved with the notebook. */

export const QUIET = 500; // ms

/**
 * Calls `put` at most once per 500 ms while things arrive, so that a notebook that is saved
 * meanwhile holds them, and `save` once, 500 ms after the last arrival.
 */
export class Saver {
  #put: ReturnType<typeof setTimeout> | undefined;
  #save: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly put: () => void,
    readonly save: () => void,
  ) {}

  schedule(): void {
    this.#put ??= setTimeout(() => {
      this.#put = undefined;
      this.put();
    }, QUIET);
    clearTimeout(this.#save);
    this.#save = setTimeout(() => this.flush(), QUIET);
  }

  /** Put and save now what is pending. */
  flush(): void {
    if (this.#put === undefined && this.#save === undefined) return;
    const pending = this.#put !== undefined;
    this.cancel();
    if (pending) this.put();
    this.save();
  }

  cancel(): void {
    clearTimeout(this.#put);
    clearTimeout(this.#save);
    this.#put = undefined;
    this.#save = undefined;
  }
}
