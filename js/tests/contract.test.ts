/// <reference types="vite/client" />
/** Cases that Python and the page agree on; `tests/contract` has them, and a test in Python. */

import { describe, expect, test } from "vitest";
import { decodeFloats, encodeFloats } from "../src/model/bytes";
import { PROTOCOL, ROLES } from "../src/model/protocol";
import { Selection } from "../src/model/selection";
import { Store } from "../src/model/store";
import { readSides } from "../src/parts/panels";
import * as colour from "../src/values/colour";
import { brief, plain, signed } from "../src/values/format";
import { addsUp, doesNotAddUp, TOLERATED, waterfall } from "../src/values/ledger";
import { COARSE, FLOOR, featureFloor, limitOf } from "../src/values/limits";
import { Pairs } from "../src/values/pairs";
import { readingOf } from "../src/values/read_out";
import { CHOICES, DEFAULTS, readSettings, type Settings } from "../src/values/settings";
import type { LedgerState, ReadOutState, SideState } from "../src/values/shapes";
import { both, SIDES } from "../src/values/sides";
import { halfOfMass } from "../src/values/strongest";
import { neverSeen, sentence } from "../src/values/words";
import { FakeModel, features, sidesOf, tokensOf, type Written } from "./model";

// As text: a module would lose the sign of zero.
const files: Record<string, string> = import.meta.glob("../../tests/contract/*.json", {
  query: "?raw",
  import: "default",
  eager: true,
});
const styles = Object.values(
  import.meta.glob(["../src/theme.css", "../src/styles.css"], {
    query: "?raw",
    import: "default",
    eager: true,
  }) as Record<string, string>,
).join("");

// biome-ignore lint/suspicious/noExplicitAny: JSON
function contract(name: string): any {
  return JSON.parse(files[`../../tests/contract/${name}.json`] ?? "null");
}

/** A number of which JSON may have no sign: `"NaN"`, `"-0"`. */
type Written1 = number | string;

test("numbers", () => {
  const cases = contract("numbers");
  for (const [name, write] of Object.entries({ signed, brief, plain })) {
    const pairs: [Written1, string][] = cases[name];
    expect(pairs.length).toBeGreaterThan(10);
    expect(pairs.map(([value]) => [value, write(Number(value))])).toEqual(pairs);
  }
});

interface WordsCase {
  what: string;
  text: string;
  tokens: (string | [string, number | null, number | null, number | null])[];
  chips: unknown[];
  after: string;
}

test.each<WordsCase>(contract("words").cases)("words: $what", ({ text, tokens, chips, after }) => {
  const said = sentence(text, tokensOf(tokens as Written[]));
  const short = said.chips.map((chip) => [chip.before, chip.text, chip.kind, chip.tokens]);
  expect([short, said.after]).toEqual([chips, after]);
});

test("unknown words", () => {
  for (const [unknown, said] of contract("words").never_seen as [string[], string][]) {
    let start = 0;
    const written = unknown.map((text, word): Written => {
      const at = start;
      start += text.length + 1;
      return [text, word, at, at + text.length];
    });
    const tokens = tokensOf(written).map((token) => ({ ...token, unknown: true }));
    expect(neverSeen(sentence(unknown.join(" "), tokens))).toBe(said);
  }
});

interface LedgerCase {
  what: string;
  ledger: LedgerState;
  bar: { parts: [string, string, number, number][]; zero: number; similarity: number } | null;
  sentence?: string;
}

test.each<LedgerCase>(contract("ledger").cases)("ledger: $what", ({ ledger, bar, sentence }) => {
  expect(addsUp(ledger)).toBe(bar !== null);
  if (bar === null) {
    expect(doesNotAddUp(ledger)).toBe(sentence);
    return;
  }
  const inputs = both((side) => sidesOf()[side]?.panels ?? []);
  const sides = readSides(inputs, [[], []], DEFAULTS);
  const { steps, end } = waterfall(
    { ...ledger, terms: [] },
    inputs,
    sides,
    () => new Pairs([[false], [false]]),
  );
  expect(steps.map(({ key, name }) => [key, name])).toEqual(
    bar.parts.map(([key, name]) => [key, name]),
  );
  expect(end).toBe(ledger.similarity);
});

interface ReadOutCase {
  what: string;
  read_out: ReadOutState;
  mean_weights: number[];
  contributions_of_places: number[];
  effective_places: number;
  effective_places_of_routes: number[];
}

test.each<ReadOutCase>(contract("read_outs").cases)("read-outs: $what", (told) => {
  const { read_out: state } = told;
  const close = (values: number[]) => values.map((value) => expect.closeTo(value, 6));
  const { places, effective } = readingOf(state);
  expect(places.map(({ weight }) => weight)).toEqual(close(told.mean_weights));
  expect(places.map(({ contribution }) => contribution)).toEqual(
    close(told.contributions_of_places),
  );
  expect(effective).toBeCloseTo(told.effective_places, 6);
  const each = state.routes.map((_, route) => readingOf(state, route).effective);
  expect(each).toEqual(close(told.effective_places_of_routes));
});

test("strongest", () => {
  const { cases } = contract("strongest");
  expect(cases.length).toBeGreaterThan(5);
  for (const { map, positive, negative } of cases) {
    const values = Float64Array.from(map, Number);
    expect([map, halfOfMass(values, 1), halfOfMass(values, -1)]).toEqual([map, positive, negative]);
  }
});

describe("colours", () => {
  const cases = contract("colours");

  test("are the same", () => {
    expect([colour.POSITIVE, colour.NEGATIVE]).toEqual([cases.positive, cases.negative]);
    expect(colour.PAPERS.light).toEqual({ ground: cases.light.ground, ink: cases.light.ink });
    expect(colour.PAPERS.dark).toEqual(cases.dark);
    expect([FLOOR, COARSE, TOLERATED]).toEqual([cases.floor, cases.coarse, cases.tolerated]);
  });

  test("are what values make of them", () => {
    for (const [size, floor, end] of cases.limits) expect(limitOf(size, floor)).toBe(end);
    for (const [count, floor] of cases.floors) expect(featureFloor(count)).toBeCloseTo(floor, 12);
    for (const [value, limit, name, alpha] of cases.tints) {
      const tint = colour.tint(Number(value), Number(limit));
      if (name === null) expect(tint).toBeNull();
      else {
        expect(tint?.colour).toEqual(cases[name]);
        expect(tint?.alpha).toBeCloseTo(alpha, 12);
      }
    }
    for (const [value, limit, beyond] of cases.beyond) {
      expect(colour.isBeyond(Number(value), limit)).toBe(beyond);
    }
    for (const [ground, theme, ink] of cases.ink_on) {
      expect(colour.inkOn(ground, cases[theme].ink)).toEqual(ink);
    }
  });

  test("stand in the style sheet once, by their names", () => {
    const value = (name: string) =>
      new RegExp(`--fpattr-${name}:\\s*([^;]+);`).exec(styles)?.[1] ?? `no ${name}`;
    const resolved = (text: string): string => {
      const name = /^var\(--fpattr-([\w-]+)\)$/.exec(text)?.[1];
      return name ? resolved(value(name)) : text;
    };
    for (const [name, rgb] of Object.entries<number[]>(cases.light)) {
      expect([name, rgbOf(resolved(value(name)))]).toEqual([name, rgb]);
    }
    for (const name of ["positive", "negative"]) {
      expect(rgbOf(value(name))).toEqual(cases[name]);
      const written = styles.match(new RegExp(cases[name].join("[ ,]+"), "g"));
      expect(written).toHaveLength(1);
    }
    const dark = /data-theme="dark"\] \{([^}]+)\}/.exec(styles)?.[1] ?? "";
    expect(rgbOf(/-ground: ([^;]+)/.exec(dark)?.[1] ?? "")).toEqual(cases.dark.ground);
    expect(rgbOf(/-ink: ([^;]+)/.exec(dark)?.[1] ?? "")).toEqual(cases.dark.ink);
    const fill = (selector: string) =>
      new RegExp(`${selector} \\{\\s*--fpattr-fill: var\\(--fpattr-([\\w-]+)\\)`).exec(styles)?.[1];
    expect(fill("\\[data-signed\\]")).toBe(cases.ledger.pairs);
    expect(fill("\\.fpattr-step")).toBe(cases.ledger.rows_only);
    expect(styles).toContain(`opacity: ${cases.greyed};`);
    expect(colour.tint(1, 1)?.alpha).toBe(cases.strongest);
  });
});

/** The channels of `rgb(1 2 3)`, `#123` or `#112233`. */
function rgbOf(css: string): number[] {
  const channels = /^rgb\((\d+) (\d+) (\d+)\)$/.exec(css)?.slice(1);
  if (channels) return channels.map(Number);
  const hex = css.replace("#", "");
  const digits = hex.length === 3 ? [...hex].map((digit) => digit + digit) : hex.match(/../g);
  return (digits ?? []).map((digit) => Number.parseInt(digit, 16));
}

describe("settings", () => {
  const cases = contract("settings");
  const settings: { name: keyof Settings; default: unknown; can_be?: string[] }[] = cases.settings;

  test("are the same, with the same defaults and choices", () => {
    expect(Object.entries(DEFAULTS)).toEqual(settings.map((one) => [one.name, one.default]));
    const choices = settings.filter((one) => one.can_be).map((one) => [one.name, one.can_be]);
    expect(CHOICES).toEqual(Object.fromEntries(choices));
    for (const { name } of settings) expect(ROLES[name]).toBe("setting");
  });

  test("that cannot be used are as if they were not there", () => {
    for (const [name, value] of cases.unusable) {
      expect(readSettings((asked) => (asked === name ? value : undefined))).toEqual(DEFAULTS);
    }
    expect(readSettings((name) => (name === "opacity" ? 0.5 : undefined)).opacity).toBe(0.5);
  });
});

describe("the protocol", () => {
  const cases = contract("protocol");
  const sides: SideState[] = cases.sides;

  test("has one number, and its floats are the same bytes", () => {
    expect(PROTOCOL).toBe(cases.protocol);
    const bytes = Uint8Array.from(atob(cases.rows.bytes), (letter) => letter.charCodeAt(0));
    const values = Float32Array.from(cases.rows.values, Number);
    expect(decodeFloats(bytes)).toEqual(values);
    expect(Object.is(decodeFloats(bytes)[5], -0)).toBe(true);
    expect(new Uint8Array(encodeFloats(values).buffer)).toEqual(bytes);
  });

  test("says what is explained", () => {
    const states = both((side) => sides[side]?.panels ?? []);
    const names = readSides(states, [[], []], DEFAULTS).map(({ groups }) =>
      groups.map(({ name }) => name),
    );
    expect(names).toEqual(cases.groups);
  });

  test("has pins and what is pointed at as features of both sides", () => {
    for (const { rows, columns } of cases.pins) {
      const model = new FakeModel({ sides, report_hover: true });
      const store = new Store(model);
      const selection = new Selection();
      store.bind(selection, new AbortController().signal);
      selection.pin([rows, columns]);
      selection.point([rows, columns]);
      expect(model.get("selected_rows")).toEqual(rows);
      expect(model.get("selected_columns")).toEqual(columns);
      expect(model.get("hovered")).toEqual({ rows, columns });
      store.close();
    }
  });

  test("asks and edits in messages that Python takes", () => {
    const model = new FakeModel({ sides, parts: ["match", "routing", "mixture 3"] });
    const store = new Store(model);
    const answer = { ...features([2, 7]), side: 1 };
    store.along(0, [2]);
    store.along(1, [2, 7]);
    store.request("routing"); // which follows from match
    store.along(0, [2], "match");
    model.receive({ ...answer, id: 1 }, [encodeFloats(new Float32Array(4))]);
    store.along(1, [2, 7], "mixture 3");
    store.edit({ type: "text", side: 0, text: "</script>\u0000🐕" });
    store.edit({ type: "file", side: 1 });
    expect(model.sent).toEqual(cases.requests);
    expect(SIDES.map((side) => store.subject.special[side].length)).toEqual([4, 8]);
    store.close();
  });
});
