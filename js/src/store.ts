/** All that the views of one model share: its state, its one comm listener, its requests. */

import { decodeFloats, encodeFloats } from "./bytes";
import { Pairs } from "./pairs";
import type { About, Bytes, Incoming, Ledger, Model, Theme, Token } from "./protocol";
import type { Grid } from "./region";
import { Requests } from "./requests";
import { Saver } from "./saver";
import { ascending, same } from "./sets";
import { type Sentence, sentence } from "./words";

/** What is being explained; it changes as a whole. */
export interface Subject {
  epoch: number;
  caption: string;
  tokens: readonly Token[];
  sentence: Sentence;
  grid: Grid;
  specials: readonly string[];
}

/** Why rows are missing: on their way, no kernel ever answered, or Python left them out. */
export type Absence = "computing" | "silent" | "left out";

/** `subject`: another one, build anew. `state`: values, pins or settings, paint again. */
export type Change = "subject" | "state";

const SILENCE = 3000; // ms without a word from Python after which no kernel is assumed
const SHAPE = ["caption", "tokens", "grid", "image_special", "epoch"] as const;
const STATE = ["ledger", "similarity", "about", "theme"] as const;
const PINS = ["selected_tokens", "selected_patches"] as const;

export class Store {
  subject: Subject;
  pairs: Pairs;
  failure = "";
  readonly #requests: Requests;
  readonly #saver: Saver;
  readonly #listeners = new Set<(change: Change) => void>();
  // biome-ignore lint/suspicious/noExplicitAny: hosts call listeners with what they like
  readonly #handlers: [event: string, listener: (...values: any[]) => void][] = [];
  #shape = "";
  #writing = false;
  #heard = false;
  #silent = false;
  #leftOut = false;
  readonly #silence: ReturnType<typeof setTimeout>;

  constructor(readonly model: Model) {
    this.#requests = new Requests((message) => quietly(() => model.send(message)));
    this.#saver = new Saver(
      () => this.#write("rows", encodeFloats(this.pairs.values)),
      () => quietly(() => model.save_changes()),
    );
    this.subject = readSubject(model);
    this.pairs = this.#readPairs();
    this.#shape = this.#fingerprint();
    this.#on("msg:custom", (content: Incoming, buffers?: Bytes[]) => this.#take(content, buffers));
    for (const trait of SHAPE) this.#on(`change:${trait}`, () => this.#reload());
    for (const trait of ["picture", "picture_type"]) {
      this.#on(`change:${trait}`, () => this.#notify("subject"));
    }
    for (const trait of [...STATE, ...PINS]) {
      this.#on(`change:${trait}`, () => this.#notify("state"));
    }
    this.#on("change:rows", () => this.#merge());
    this.#silence = setTimeout(() => {
      this.#silent = !this.#heard;
      if (this.#silent) this.#notify("state");
    }, SILENCE);
    this.#requests.restart(this.subject.epoch);
    this.#requests.hello();
  }

  close(): void {
    clearTimeout(this.#silence);
    this.#saver.flush();
    for (const [event, listener] of this.#handlers) this.model.off(event, listener);
    this.#handlers.length = 0;
    this.#listeners.clear();
  }

  subscribe(listener: (change: Change) => void, signal: AbortSignal): void {
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => this.#listeners.delete(listener), { once: true });
  }

  get ledger(): Ledger | null {
    const ledger = this.model.get("ledger");
    return ledger && "pairs" in ledger ? (ledger as Ledger) : null;
  }

  get similarity(): number | null {
    return this.model.get("similarity") ?? null;
  }

  get about(): About {
    return this.model.get("about") ?? {};
  }

  get theme(): Theme {
    return this.model.get("theme") ?? "auto";
  }

  get pinnedTokens(): number[] {
    return within(this.model.get("selected_tokens"), this.pairs.tokens);
  }

  get pinnedPatches(): number[] {
    return within(this.model.get("selected_patches"), this.pairs.patches);
  }

  get absence(): Absence {
    if (this.#silent) return "silent";
    return this.#leftOut ? "left out" : "computing";
  }

  pin(tokens: readonly number[], patches: readonly number[]): void {
    const [text, image] = [ascending(tokens), ascending(patches)];
    const moved = !same(text, this.pinnedTokens) || !same(image, this.pinnedPatches);
    if (!moved) return;
    this.#write("selected_tokens", text);
    this.#write("selected_patches", image);
    quietly(() => this.model.save_changes());
    this.#notify("state");
  }

  dismissFailure(): void {
    this.failure = "";
    this.#notify("state");
  }

  /** Ask for the rows among these that are not there, before all others. */
  want(tokens: readonly number[]): void {
    const missing = this.pairs.missing(tokens);
    if (missing.length > 0) this.#requests.rows(missing);
  }

  /**
   * Sum over a region, `(tokens,)`. Where rows are missing, an answer from Python stands in; it is
   * asked for if it is not there, and its tokens are NaN until then.
   */
  region(patches: readonly number[]): Float64Array {
    const column = this.pairs.column(patches);
    if (this.pairs.complete || patches.length === 0) return column;
    const answer = this.#requests.answer(patches);
    if (!answer) this.#requests.region(patches);
    return column.map((value, token) => (Number.isNaN(value) ? (answer?.[token] ?? value) : value));
  }

  #take(content: Incoming, buffers: readonly Bytes[] = []): void {
    if (content?.epoch !== this.subject.epoch) return;
    const wasSilent = this.#silent;
    this.#heard = true;
    this.#silent = false;
    switch (content.type) {
      case "rows":
        if (!this.#takeRows(content.tokens, decodeFloats(buffers[0]))) return;
        this.#leftOut = false;
        this.#saver.schedule();
        break;
      case "ledger":
        this.#write("ledger", content.ledger);
        this.#write("similarity", content.similarity);
        this.#write("about", content.about);
        this.#saver.schedule();
        break;
      case "region": {
        const values = decodeFloats(buffers[0]);
        if (values.length !== this.pairs.tokens) return;
        if (!this.#requests.answered(content.id, values)) return;
        break;
      }
      case "failure":
        this.failure = String(content.message ?? "");
        this.#leftOut = this.failure !== "";
        break;
      case "done":
        this.#leftOut = !this.pairs.complete && !this.#requests.again(this.pairs.missing());
        break;
      default:
        if (!wasSilent) return;
    }
    this.#notify("state");
  }

  #takeRows(tokens: readonly number[], values: Float32Array): boolean {
    const { width } = this.pairs;
    if (values.length !== tokens.length * width) return false;
    let taken = false;
    tokens.forEach((token, i) => {
      taken = this.pairs.write(token, values.subarray(i * width, (i + 1) * width)) || taken;
    });
    return taken;
  }

  /** Rows that Python set: they complete what is there, and never take a row away. */
  #merge(): void {
    if (this.#writing) return;
    this.#reload();
    this.pairs.merge(decodeFloats(this.model.get("rows")));
    this.#notify("state");
  }

  /** Traits change one by one: start anew as soon as one of them says something new. */
  #reload(): void {
    const shape = this.#fingerprint();
    if (shape === this.#shape) return;
    this.#shape = shape;
    this.#saver.cancel();
    this.subject = readSubject(this.model);
    this.pairs = this.#readPairs();
    this.failure = "";
    this.#leftOut = false;
    this.#silent = false;
    this.#requests.restart(this.subject.epoch);
    this.#notify("subject");
  }

  #readPairs(): Pairs {
    const { tokens, specials, grid } = this.subject;
    const quiet = tokens.map((token) => token.special);
    const pairs = new Pairs(quiet, specials.length, grid.rows * grid.columns);
    pairs.merge(decodeFloats(this.model.get("rows")));
    return pairs;
  }

  #fingerprint(): string {
    return JSON.stringify(SHAPE.map((trait) => this.model.get(trait)));
  }

  #write<K extends "rows" | "ledger" | "similarity" | "about" | (typeof PINS)[number]>(
    trait: K,
    value: Parameters<typeof this.model.set<K>>[1],
  ): void {
    this.#writing = true;
    try {
      this.model.set(trait, value);
    } finally {
      this.#writing = false;
    }
  }

  #notify(change: Change): void {
    for (const listener of [...this.#listeners]) listener(change);
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  #on(event: string, listener: (...values: any[]) => void): void {
    this.model.on(event, listener);
    this.#handlers.push([event, listener]);
  }
}

function readSubject(model: Model): Subject {
  const caption = model.get("caption") ?? "";
  const tokens = model.get("tokens") ?? [];
  const [rows = 0, columns = 0] = model.get("grid") ?? [];
  return {
    epoch: model.get("epoch") ?? 0,
    caption,
    tokens,
    sentence: sentence(caption, tokens),
    grid: { rows, columns },
    specials: model.get("image_special") ?? [],
  };
}

function within(indices: readonly number[] | undefined, stop: number): number[] {
  return ascending((indices ?? []).filter((i) => Number.isInteger(i) && i >= 0 && i < stop));
}

/** Without a kernel some hosts refuse to send; the page goes on with what it has. */
function quietly(action: () => void): void {
  try {
    action();
  } catch (error) {
    console.debug("fpattr_widget:", error);
  }
}
