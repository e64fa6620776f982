/** Calls at most once per 50 ms, and always with the last value. */

const PAUSE = 50; // ms

export class Throttle<T> {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #next: { value: T } | null = null;

  constructor(readonly run: (value: T) => void) {}

  call(value: T): void {
    this.#next = { value };
    if (this.#timer === undefined) this.#go();
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#next = null;
  }

  #go(): void {
    this.#timer = undefined;
    const next = this.#next;
    if (!next) return;
    this.#next = null;
    this.#timer = setTimeout(() => this.#go(), PAUSE);
    this.run(next.value);
  }
}
