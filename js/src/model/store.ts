/** All that the views of one model share: its state, its one comm listener, its requests. */

import { type Focus, NOTHING } from "../values/focus";
import { Pairs } from "../values/pairs";
import { ascending, same } from "../values/sets";
import { readSettings, type Settings } from "../values/settings";
import type { AnyPanel, Bytes, FoldState, LedgerState, ReadOutState } from "../values/shapes";
import { type Both, both, SIDES, type SideIndex, specialOf } from "../values/sides";
import { decodeFloats, encodeFloats } from "./bytes";
import { Listeners } from "./listeners";
import { type Absence, Answers } from "./liveness";
import {
  type About,
  type FeaturesMessage,
  type FileEdit,
  type HoveredState,
  type Incoming,
  type Model,
  PROTOCOL,
  ROLES,
  type TextEdit,
  type Traits,
  type With,
} from "./protocol";
import { Requests } from "./requests";
import { Saver } from "./saver";
import type { Selection } from "./selection";
import { Throttle } from "./throttle";

/** What is being explained; it changes as a whole. */
export interface Subject {
  epoch: number;
  /** The panels of each side. */
  sides: Both<readonly AnyPanel[]>;
  /** Words of a side's sentences that stand in the same place. */
  folds: Both<readonly FoldState[]>;
  /** Parts of the pairs that can be asked for. */
  parts: readonly string[];
  /** For each feature, whether it is special. */
  special: Both<readonly boolean[]>;
}

/** The traits that hold the pins of each side. */
const PINS = ["selected_rows", "selected_columns"] as const;
/** ipywidgets tells these when the connection to the kernel comes or goes. */
const CONNECTION = ["comm_live_update", "comm:close"] as const;
const OTHER_VERSION =
  "This view was made by another version of fpattr_widget than the one that runs in the kernel: " +
  "run its cell again.";

const NO_ROWS = new DataView(new ArrayBuffer(0));

/** The traits that hold what was computed, and what stands there before. */
const NO_RESULTS = {
  rows: NO_ROWS,
  match_rows: NO_ROWS,
  ledger: {},
  read_outs: [],
} as const satisfies Partial<Record<keyof Traits, unknown>>;

type Results = { -readonly [K in keyof typeof NO_RESULTS]: unknown };

export class Store {
  subject: Subject;
  pairs: Pairs;
  /** Parts of the pairs as far as they are known; routing follows from the others. */
  readonly #parts = new Map<string, Pairs>();
  /** Versions of the pairs that routing was worked out from. */
  #followed = "";
  /** The part whose rows were asked for last; never routing, which nobody is asked for. */
  #asked = "";
  settings: Settings;
  failure = "";
  /** Why an edit of each side was refused, in Python's words. */
  readonly refused: [string, string] = ["", ""];
  readonly #requests: Requests;
  readonly #answers = new Answers(
    () => this.#notify(),
    () => {
      if (this.absence === "computing" && !this.awaited.complete) this.#requests.hello();
    },
  );
  readonly #saver: Saver;
  readonly #hovered = new Throttle<HoveredState>((hovered) => {
    this.#write("hovered", hovered);
    quietly(() => this.model.save_changes());
  });
  readonly #listeners = new Listeners();
  readonly #bound = new Set<{ selection: Selection }>();
  // biome-ignore lint/suspicious/noExplicitAny: hosts call listeners with what they like
  readonly #handlers: [event: string, listener: (...values: any[]) => void][] = [];
  #shape = "";
  #writing = false;
  #news = "";
  #stopped: "interrupted" | "left out" | null = null;
  /** The results that the model held when they were last read or written here. */
  #results: Results;

  constructor(readonly model: Model) {
    this.#requests = new Requests((message) => {
      this.#answers.expect();
      quietly(() => model.send(message));
    });
    this.#saver = new Saver(
      () => this.#putRows(),
      () => quietly(() => model.save_changes()),
    );
    this.settings = readSettings((name) => model.get(name));
    this.subject = readSubject(model);
    this.pairs = new Pairs(this.subject.special);
    this.#mergeRows();
    this.#results = this.#readResults();
    this.#shape = this.#fingerprint();
    this.#listen();
    this.#requests.restart(this.subject.epoch);
    this.#requests.hello();
  }

  #listen(): void {
    const own: Record<With<"own">, () => void> = {
      rows: () => this.#merge(),
      match_rows: () => this.#merge(),
      selected_rows: () => this.#takePins(),
      selected_columns: () => this.#takePins(),
      hovered: () => this.#takeHover(),
    };
    const others = {
      shape: () => this.#reload(),
      painted: () => this.#notify(),
      setting: () => this.#readSettings(),
    };
    for (const trait of Object.keys(ROLES) as (keyof Traits)[]) {
      const role = ROLES[trait];
      const changed = role === "own" ? own[trait as With<"own">] : others[role];
      this.#on(`change:${trait}`, changed);
    }
    this.#on("msg:custom", (content: Incoming, buffers?: Bytes[]) => this.#take(content, buffers));
    for (const event of CONNECTION) this.#on(event, () => this.#requests.hello());
  }

  close(): void {
    this.#answers.stop();
    this.#hovered.cancel();
    this.#saver.flush();
    for (const [event, listener] of this.#handlers) this.model.off(event, listener);
    this.#handlers.length = 0;
    this.#listeners.clear();
    this.#bound.clear();
  }

  subscribe(listener: () => void, signal: AbortSignal): void {
    this.#listeners.add(listener, signal);
  }

  /**
   * Keep the pins of a selection and those of the model the same until `signal` ends, and where it
   * is asked for what both are pointing at. Pins that a selection has already come first.
   */
  bind(selection: Selection, signal: AbortSignal): void {
    const entry = { selection };
    this.#bound.add(entry);
    signal.addEventListener("abort", () => this.#bound.delete(entry), { once: true });
    selection.pin(
      both((side) => {
        const here = selection.pins[side];
        return here.length > 0 ? here : this.#pinsOf(side);
      }),
    );
    this.#writePins(selection);
    selection.subscribe((changed) => {
      if (changed === "pins") this.#writePins(selection);
      else this.#reportHover(selection);
    }, signal);
  }

  get ledger(): LedgerState | null {
    const ledger = this.model.get("ledger");
    return ledger && "pairs" in ledger ? (ledger as LedgerState) : null;
  }

  /** What a head read, of each part of the rows with each of the columns; empty before the ledger. */
  get readOuts(): readonly ReadOutState[] {
    return this.model.get("read_outs") ?? [];
  }

  get similarity(): number | null {
    return this.model.get("similarity") ?? null;
  }

  /** What Python is doing, in its words, while rows are missing. */
  get news(): string {
    return this.absence === "computing" && !this.awaited.complete ? this.#news : "";
  }

  get about(): About {
    return this.model.get("about") ?? {};
  }

  get absence(): Absence {
    const { state } = this.#answers;
    if (state === "silent" || state === "lost") return state;
    return this.#stopped ?? "computing";
  }

  /** The pairs whose rows are waited for: all, and then those of the part that was asked for. */
  get awaited(): Pairs {
    return this.pairs.complete ? this.pairsOf(this.#asked) : this.pairs;
  }

  /** The pairs of a part, those themselves where it has no name. */
  pairsOf(part: string): Pairs {
    if (part === "") return this.pairs;
    const known = this.#parts.get(part);
    const pairs = known ?? new Pairs(this.subject.special);
    if (!known) this.#parts.set(part, pairs);
    if (part === "routing") this.#follow(pairs, this.pairsOf("match"));
    return pairs;
  }

  /** Routing is what match leaves of all pairs. */
  #follow(routing: Pairs, match: Pairs): void {
    const from = `${this.pairs.version} ${match.version}`;
    if (from === this.#followed) return;
    this.#followed = from;
    routing.takeDifference(this.pairs, match);
  }

  /** Whether a part can be shown: it is there, or Python may be asked for it. */
  offers(part: string): boolean {
    if (!this.subject.parts.includes(part)) return false;
    const { absence } = this;
    return this.pairsOf(part).complete || (absence !== "silent" && absence !== "lost");
  }

  /** Ask for all rows of a part that is shown. */
  request(part: string): void {
    this.#asked = part === "routing" ? "match" : part;
    if (this.#asked === "" || this.pairsOf(this.#asked).complete) return;
    if (this.absence === "computing") this.#requests.fill(this.#asked);
  }

  set<K extends keyof Settings>(name: K, value: Settings[K]): void {
    if (this.settings[name] === value) return;
    (this.model as { set(key: string, value: unknown): void }).set(name, value);
    quietly(() => this.model.save_changes());
  }

  /** Hand on what the user changed; Python answers with another subject, or refuses. */
  edit(message: TextEdit | FileEdit, ...buffers: ArrayBuffer[]): void {
    this.refuse(message.side, "");
    this.#answers.expect();
    quietly(() => this.model.send(message, undefined, buffers));
  }

  refuse(side: number, message: string): void {
    if (side in this.refused) this.refused[side as SideIndex] = message;
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

  /**
   * Sum over chosen features of a side, one number for each feature of the other. What is missing
   * is asked for before all else, and NaN until it is there.
   */
  along(side: SideIndex, features: readonly number[], part = ""): Float64Array {
    if (part === "routing") {
      const match = this.along(side, features, "match");
      return this.along(side, features).map((value, i) => value - (match[i] ?? Number.NaN));
    }
    return side === 0 ? this.#sumOfRows(features, part) : this.#sumOfColumns(features, part);
  }

  #sumOfRows(features: readonly number[], part: string): Float64Array {
    const pairs = this.pairsOf(part);
    const missing = pairs.missing(features);
    if (missing.length > 0) this.#requests.rows(missing, part);
    return pairs.along(0, features);
  }

  /** Where rows are missing, an answer from Python stands in. */
  #sumOfColumns(features: readonly number[], part: string): Float64Array {
    const pairs = this.pairsOf(part);
    const sum = pairs.along(1, features);
    const special = features.some((feature) => this.subject.special[1][feature]);
    if (pairs.complete || special) return sum;
    const answer = this.#requests.answer(features, part);
    if (!answer) this.#requests.sum(features, part);
    return sum.map((value, row) => (Number.isNaN(value) ? (answer?.[row] ?? value) : value));
  }

  #take(content: Incoming, buffers: readonly Bytes[] = []): void {
    if (content?.type === "refused") {
      this.#answers.heard();
      this.refuse(content.side, String(content.message ?? ""));
      return;
    }
    if (content?.epoch !== this.subject.epoch) return;
    this.#answers.heard();
    switch (content.type) {
      case "hello":
        if (content.protocol === PROTOCOL) return;
        this.failure = OTHER_VERSION;
        break;
      case "features":
        if (!this.#takeFeatures(content, decodeFloats(buffers[0]))) return;
        break;
      case "ledger":
        this.#write("ledger", content.ledger);
        this.#write("read_outs", content.read_outs);
        this.#write("similarity", content.similarity);
        this.#write("about", content.about);
        this.#saver.schedule();
        break;
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
        this.#stopped = this.awaited.complete ? null : "interrupted";
        this.#saver.flush();
        break;
      case "done":
        this.#news = "";
        this.#saver.flush();
        if (this.#stopped === "interrupted") return;
        this.#stopped = this.#isThere() ? null : "left out";
        break;
      default:
        return;
    }
    this.#notify();
  }

  /** Whether all rows that are waited for came, or were asked for again. */
  #isThere(): boolean {
    const { awaited } = this;
    if (awaited.complete) return true;
    return this.#requests.again(awaited.missing(), awaited === this.pairs ? "" : this.#asked);
  }

  #takeFeatures({ part, side, id, features }: FeaturesMessage, values: Float32Array): boolean {
    if (part !== "" && !this.subject.parts.includes(part)) return false;
    if (side === 1) {
      return values.length === this.pairs.rows && this.#requests.answered(id, values);
    }
    if (side !== 0 || !this.#takeRows(this.pairsOf(part), features, values)) return false;
    this.#requests.came(part);
    this.#stopped = null;
    this.#saver.schedule();
    return true;
  }

  #takeRows(pairs: Pairs, rows: readonly number[], values: Float32Array): boolean {
    const { columns } = pairs;
    if (values.length !== rows.length * columns) return false;
    let taken = false;
    rows.forEach((row, i) => {
      taken = pairs.write(row, values.subarray(i * columns, (i + 1) * columns)) || taken;
    });
    return taken;
  }

  #putRows(): void {
    this.#write("rows", encodeFloats(this.pairs.values));
    const match = this.#parts.get("match");
    if (match && match.count > 0) this.#write("match_rows", encodeFloats(match.values));
  }

  #mergeRows(): void {
    this.pairs.merge(decodeFloats(this.model.get("rows")));
    const match = decodeFloats(this.model.get("match_rows"));
    if (match.length > 0) this.pairsOf("match").merge(match);
  }

  /** Rows that Python set: they complete what is there, and never take a row away. */
  #merge(): void {
    if (this.#writing) return;
    this.#reload();
    this.#mergeRows();
    this.#results = this.#readResults();
    this.#notify();
  }

  /** Traits change one by one: start anew as soon as one of them says something new. */
  #reload(): void {
    const shape = this.#fingerprint();
    if (shape === this.#shape) {
      this.#readAgain();
      return;
    }
    this.#shape = shape;
    this.#saver.cancel();
    this.subject = readSubject(this.model);
    this.pairs = new Pairs(this.subject.special);
    this.#parts.clear();
    this.#followed = "";
    this.#asked = "";
    this.failure = "";
    this.#news = "";
    this.refused.fill("");
    this.#stopped = null;
    // What still is there from before belongs to what was explained before.
    const before = this.#results;
    if (this.model.get("ledger") === before.ledger) this.#write("similarity", null);
    for (const trait of Object.keys(NO_RESULTS) as (keyof Results)[]) {
      if (this.model.get(trait) !== before[trait]) continue;
      this.#write(trait, NO_RESULTS[trait] as unknown as Traits[typeof trait]);
    }
    this.#mergeRows();
    this.#results = this.#readResults();
    this.#requests.restart(this.subject.epoch);
    for (const { selection } of this.#bound) {
      selection.pin(both((side) => this.#pinsOf(side)));
      selection.point(NOTHING);
    }
    this.#notify();
  }

  /** The same is said in other objects, which may have what the first ones had not: a picture. */
  #readAgain(): void {
    this.subject = readSubject(this.model);
    this.#notify();
  }

  #readResults(): Results {
    const results: Partial<Results> = {};
    for (const trait of Object.keys(NO_RESULTS) as (keyof Results)[]) {
      results[trait] = this.model.get(trait);
    }
    return results as Results;
  }

  #readSettings(): void {
    this.settings = readSettings((name) => this.model.get(name));
    this.#notify();
  }

  #fingerprint(): string {
    const shape = [this.model.get("epoch"), this.model.get("sides")];
    // An epoch has one picture: its bytes need not be compared.
    return JSON.stringify(shape, (_, value) => (isBytes(value) ? null : value));
  }

  /** Pinned features of a side, as the model has them. */
  #pinsOf(side: SideIndex): number[] {
    return this.#existing(side, this.model.get(PINS[side]));
  }

  /** Features that are there, in order. */
  #existing(side: SideIndex, features: readonly number[] | undefined): number[] {
    const count = this.subject.special[side].length;
    return ascending((features ?? []).filter((feature) => feature >= 0 && feature < count));
  }

  #writePins({ pins }: Selection): void {
    const changed = SIDES.filter((side) => {
      const now = this.#existing(side, pins[side]);
      if (same(now, this.#pinsOf(side))) return false;
      this.#write(PINS[side], now);
      return true;
    });
    if (changed.length === 0) return;
    quietly(() => this.model.save_changes());
    this.#sharePins();
  }

  #takePins(): void {
    if (this.#writing) return; // both sides are not there yet
    this.#sharePins();
    this.#notify();
  }

  /** Give the model's pins to all selections; features that other models alone have stay. */
  #sharePins(): void {
    for (const { selection } of this.#bound) {
      const pins = both((side) => {
        const count = this.subject.special[side].length;
        const others = selection.pins[side].filter((feature) => feature >= count);
        return [...others, ...this.#pinsOf(side)];
      });
      selection.pin(pins);
    }
  }

  /** Report to Python what the pointer is on, where it asked for that. */
  #reportHover({ hover }: Selection): void {
    if (!this.settings.report_hover) return;
    const [rows, columns] = both((side) => this.#existing(side, hover[side]));
    this.#hovered.call({ rows, columns });
  }

  /** Point at what Python, or another view that is linked to this one, points at. */
  #takeHover(): void {
    if (this.#writing) return;
    const { rows, columns } = this.model.get("hovered") ?? {};
    const hover: Focus = [this.#existing(0, rows), this.#existing(1, columns)];
    for (const { selection } of this.#bound) selection.point(hover);
  }

  #write<K extends keyof Traits>(trait: K, value: Traits[K]): void {
    this.#writing = true;
    try {
      this.model.set(trait, value);
    } finally {
      this.#writing = false;
    }
    if (trait in NO_RESULTS) this.#results = this.#readResults();
  }

  #notify(): void {
    this.#listeners.call();
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  #on(event: string, listener: (...values: any[]) => void): void {
    this.model.on(event, listener);
    this.#handlers.push([event, listener]);
  }
}

function readSubject(model: Model): Subject {
  const sides = model.get("sides") ?? [];
  const panels = both((side) => sides[side]?.panels ?? []);
  return {
    epoch: model.get("epoch") ?? 0,
    sides: panels,
    folds: both((side) => sides[side]?.folds ?? []),
    parts: model.get("parts") ?? [],
    special: both((side) => specialOf(panels[side])),
  };
}

function isBytes(value: unknown): boolean {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
}

/** Without a kernel some hosts refuse to send; the page goes on with what it has. */
function quietly(action: () => void): void {
  try {
    action();
  } catch (error) {
    console.debug("fpattr_widget:", error);
  }
}
