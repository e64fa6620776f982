/** All that the views of one model share: its state, its one comm listener, its requests. */

import { Pairs } from "../values/pairs";
import type { Grid } from "../values/region";
import { ascending, same } from "../values/sets";
import type { LedgerState, TokenState } from "../values/shapes";
import { type Sentence, sentence } from "../values/words";
import { decodeFloats, encodeFloats } from "./bytes";
import { type Absence, Answers } from "./liveness";
import {
  type About,
  type Bytes,
  type CaptionEdit,
  type HoveredState,
  type ImageEdit,
  type Incoming,
  type Model,
  PROTOCOL,
  type RefusedMessage,
  type Traits,
} from "./protocol";
import { Requests } from "./requests";
import { Saver } from "./saver";
import { readSettings, SETTINGS, type Settings } from "./settings";
import { Throttle } from "./throttle";

/** What is being explained; it changes as a whole. */
export interface Subject {
  epoch: number;
  caption: string;
  tokens: readonly TokenState[];
  sentence: Sentence;
  grid: Grid;
  specials: readonly string[];
}

const SHAPE = ["caption", "tokens", "grid", "image_special", "epoch"] as const;
const PAINTED = [
  "picture",
  "picture_type",
  "ledger",
  "similarity",
  "about",
  "selected_tokens",
  "selected_patches",
  "report_hover",
  "editable",
] as const;
/** ipywidgets tells these when the connection to the kernel comes or goes. */
const CONNECTION = ["comm_live_update", "comm:close"] as const;
const OTHER_VERSION =
  "This view was made by another version of fpattr_widget than the one that runs in the kernel: " +
  "run its cell again.";

const NO_ROWS = new DataView(new ArrayBuffer(0));

type Edit = RefusedMessage["kind"];

export class Store {
  subject: Subject;
  pairs: Pairs;
  settings: Settings;
  failure = "";
  /** Why an edit was refused, in Python's words. */
  readonly refused: Record<Edit, string> = { caption: "", image: "" };
  readonly #requests: Requests;
  readonly #answers = new Answers(
    () => this.#notify(),
    () => {
      if (this.absence === "computing" && !this.pairs.complete) this.#requests.hello();
    },
  );
  readonly #saver: Saver;
  readonly #hovered = new Throttle<HoveredState>((hovered) => {
    this.#write("hovered", hovered);
    quietly(() => this.model.save_changes());
  });
  readonly #listeners = new Set<() => void>();
  // biome-ignore lint/suspicious/noExplicitAny: hosts call listeners with what they like
  readonly #handlers: [event: string, listener: (...values: any[]) => void][] = [];
  #shape = "";
  #writing = false;
  #news = "";
  #stopped: "interrupted" | "left out" | null = null;
  /** The results that the model held when they were last read or written here. */
  #results: Pick<Traits, "rows" | "ledger">;

  constructor(readonly model: Model) {
    this.#requests = new Requests((message) => {
      this.#answers.expect();
      quietly(() => model.send(message));
    });
    this.#saver = new Saver(
      () => this.#write("rows", encodeFloats(this.pairs.values)),
      () => quietly(() => model.save_changes()),
    );
    this.settings = readSettings(model);
    this.subject = readSubject(model);
    this.pairs = emptyPairs(this.subject);
    this.pairs.merge(decodeFloats(model.get("rows")));
    this.#results = this.#readResults();
    this.#shape = this.#fingerprint();
    this.#on("msg:custom", (content: Incoming, buffers?: Bytes[]) => this.#take(content, buffers));
    for (const trait of SHAPE) this.#on(`change:${trait}`, () => this.#reload());
    for (const trait of PAINTED) this.#on(`change:${trait}`, () => this.#notify());
    for (const trait of SETTINGS) this.#on(`change:${trait}`, () => this.#readSettings());
    this.#on("change:rows", () => this.#merge());
    for (const event of CONNECTION) this.#on(event, () => this.#requests.hello());
    this.#requests.restart(this.subject.epoch);
    this.#requests.hello();
  }

  close(): void {
    this.#answers.stop();
    this.#hovered.cancel();
    this.#saver.flush();
    for (const [event, listener] of this.#handlers) this.model.off(event, listener);
    this.#handlers.length = 0;
    this.#listeners.clear();
  }

  subscribe(listener: () => void, signal: AbortSignal): void {
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => this.#listeners.delete(listener), { once: true });
  }

  get ledger(): LedgerState | null {
    const ledger = this.model.get("ledger");
    return ledger && "pairs" in ledger ? (ledger as LedgerState) : null;
  }

  get similarity(): number | null {
    return this.model.get("similarity") ?? null;
  }

  /** What Python is doing, in its words, while rows are missing. */
  get news(): string {
    return this.absence === "computing" && !this.pairs.complete ? this.#news : "";
  }

  get about(): About {
    return this.model.get("about") ?? {};
  }

  get editable(): boolean {
    return this.model.get("editable") ?? false;
  }

  get pinnedTokens(): number[] {
    return within(this.model.get("selected_tokens"), this.pairs.tokens);
  }

  get pinnedPatches(): number[] {
    return within(this.model.get("selected_patches"), this.pairs.patches);
  }

  get absence(): Absence {
    const { state } = this.#answers;
    if (state === "silent" || state === "lost") return state;
    return this.#stopped ?? "computing";
  }

  pin(tokens: readonly number[], patches: readonly number[]): void {
    const [text, image] = [ascending(tokens), ascending(patches)];
    const moved = !same(text, this.pinnedTokens) || !same(image, this.pinnedPatches);
    if (!moved) return;
    this.#write("selected_tokens", text);
    this.#write("selected_patches", image);
    quietly(() => this.model.save_changes());
    this.#notify();
  }

  set<K extends keyof Settings>(name: K, value: Settings[K]): void {
    if (this.settings[name] === value) return;
    (this.model as { set(key: string, value: unknown): void }).set(name, value);
    quietly(() => this.model.save_changes());
  }

  /** Tell Python what the pointer is on, where it asked for that. */
  hover(tokens: readonly number[], patches: readonly number[]): void {
    if (this.model.get("report_hover")) {
      this.#hovered.call({ tokens: [...tokens], patches: [...patches] });
    }
  }

  /** Hand on what the user changed; Python answers with another subject, or refuses. */
  edit(message: CaptionEdit | ImageEdit, ...buffers: ArrayBuffer[]): void {
    this.refuse(message.type, "");
    this.#answers.expect();
    quietly(() => this.model.send(message, undefined, buffers));
  }

  refuse(kind: Edit, message: string): void {
    this.refused[kind] = message;
    this.#notify();
  }

  dismissFailure(): void {
    this.failure = "";
    this.#notify();
  }

  /** Ask Python to go on with what is missing. */
  resume(): void {
    this.failure = "";
    this.#news = "";
    this.#stopped = null;
    this.#requests.restart(this.subject.epoch);
    this.#requests.hello();
    this.#notify();
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
    if (content?.type === "refused") {
      this.#answers.heard();
      if (content.kind in this.refused) this.refuse(content.kind, String(content.message ?? ""));
      return;
    }
    if (content?.epoch !== this.subject.epoch) return;
    this.#answers.heard();
    switch (content.type) {
      case "hello":
        if (content.protocol === PROTOCOL) return;
        this.failure = OTHER_VERSION;
        break;
      case "rows":
        if (!this.#takeRows(content.tokens, decodeFloats(buffers[0]))) return;
        this.#stopped = null;
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
      case "progress":
        this.#news = String(content.message ?? "");
        this.#stopped = null;
        break;
      case "failure":
        this.#news = "";
        this.failure = String(content.message ?? "");
        this.#stopped = this.failure === "" ? null : "left out";
        this.#saver.flush();
        break;
      case "interrupted":
        this.#news = "";
        this.#stopped = this.pairs.complete ? null : "interrupted";
        this.#saver.flush();
        break;
      case "done":
        this.#news = "";
        this.#saver.flush();
        if (this.#stopped === "interrupted") return;
        this.#stopped =
          this.pairs.complete || this.#requests.again(this.pairs.missing()) ? null : "left out";
        break;
      default:
        return;
    }
    this.#notify();
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
    this.#results = this.#readResults();
    this.#notify();
  }

  /** Traits change one by one: start anew as soon as one of them says something new. */
  #reload(): void {
    const shape = this.#fingerprint();
    if (shape === this.#shape) return;
    this.#shape = shape;
    this.#saver.cancel();
    this.subject = readSubject(this.model);
    this.pairs = emptyPairs(this.subject);
    this.failure = "";
    this.#news = "";
    this.refused.caption = this.refused.image = "";
    this.#stopped = null;
    // What still is there from before belongs to what was explained before.
    const before = this.#results;
    if (this.model.get("rows") === before.rows) this.#write("rows", NO_ROWS);
    else this.pairs.merge(decodeFloats(this.model.get("rows")));
    if (this.model.get("ledger") === before.ledger) {
      this.#write("ledger", {});
      this.#write("similarity", null);
    }
    this.#results = this.#readResults();
    this.#requests.restart(this.subject.epoch);
    this.#notify();
  }

  #readResults(): Pick<Traits, "rows" | "ledger"> {
    return { rows: this.model.get("rows"), ledger: this.model.get("ledger") };
  }

  #readSettings(): void {
    const { level } = this.settings;
    this.settings = readSettings(this.model);
    if (this.settings.level !== level) this.subject = readSubject(this.model);
    this.#notify();
  }

  #fingerprint(): string {
    return JSON.stringify(SHAPE.map((trait) => this.model.get(trait)));
  }

  #write<K extends keyof Traits>(trait: K, value: Traits[K]): void {
    this.#writing = true;
    try {
      this.model.set(trait, value);
    } finally {
      this.#writing = false;
    }
    if (trait === "rows" || trait === "ledger") this.#results = this.#readResults();
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
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
    sentence: sentence(caption, tokens, model.get("level") ?? "words"),
    grid: { rows, columns },
    specials: model.get("image_special") ?? [],
  };
}

function emptyPairs({ tokens, specials, grid }: Subject): Pairs {
  const quiet = tokens.map((token) => token.special);
  return new Pairs(quiet, specials.length, grid.rows * grid.columns);
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
