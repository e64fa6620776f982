/** Functions that are called when something changes, each until its signal ends. */
export class Listeners<T extends unknown[] = []> {
  readonly #entries = new Set<{ call: (...values: T) => void }>();

  add(call: (...values: T) => void, signal: AbortSignal): void {
    const entry = { call };
    this.#entries.add(entry);
    signal.addEventListener("abort", () => this.#entries.delete(entry), { once: true });
  }

  call(...values: T): void {
    for (const { call } of [...this.#entries]) call(...values);
  }

  clear(): void {
    this.#entries.clear();
  }
}
