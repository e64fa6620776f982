/** Slice a string by Unicode code points, which is how Python counts. */
export class CodePoints {
  /** UTF-16 offset of each code point, and of the end. */
  readonly #offsets: number[] = [];

  constructor(readonly text: string) {
    let offset = 0;
    for (const character of text) {
      this.#offsets.push(offset);
      offset += character.length;
    }
    this.#offsets.push(offset);
  }

  get length(): number {
    return this.#offsets.length - 1;
  }

  slice(start: number, stop: number): string {
    return this.text.slice(this.#offset(start), this.#offset(stop));
  }

  #offset(position: number): number {
    return this.#offsets[Math.min(Math.max(position, 0), this.length)] ?? 0;
  }
}
