import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { decodeFloats, encodeFloats } from "../src/model/bytes";
import { QUIET, SILENCE } from "../src/model/liveness";
import { PROTOCOL } from "../src/model/protocol";
import { Selection } from "../src/model/selection";
import { Store } from "../src/model/store";
import { FakeModel, features, HEADLESS, row, rowsBuffer, sidesOf, tokensOf, WIDTH } from "./model";

const ALL = [0, 1, 2, 3, 4, 5, 6];
let model: FakeModel;
let store: Store;

beforeEach(() => {
  vi.useFakeTimers();
  model = new FakeModel();
  store = new Store(model);
});

afterEach(() => {
  store.close();
  vi.useRealTimers();
});

function receiveRows(tokens: number[], epoch = 1): void {
  model.receive(features(tokens, epoch), [rowsBuffer(tokens)]);
}

test("says hello once, at once", () => {
  expect(model.sent).toEqual([{ type: "hello", epoch: 1, protocol: PROTOCOL }]);
});

test.each(["done", "interrupted", "failure"] as const)(
  "keeps at once what is there at %s",
  (type) => {
    receiveRows([0, 1]);
    model.receive({ type, epoch: 1, message: "no" });
    const kept = decodeFloats(model.get("rows"));
    expect([...kept.slice(0, 2 * WIDTH)]).toEqual([...row(0), ...row(1)]);
  },
);

test("asks whether Python is there while rows are missing, and not once they are there", () => {
  const greetings = () => model.sent.filter(({ type }) => type === "hello").length;
  receiveRows([0, 1]);
  vi.advanceTimersByTime(QUIET);
  expect(greetings()).toBe(2);
  vi.advanceTimersByTime(SILENCE);
  expect(store.absence).toBe("lost");
  receiveRows(ALL);
  vi.advanceTimersByTime(10 * QUIET);
  expect(greetings()).toBe(2);
});

describe("rows", () => {
  test("arrive in any order, cut anyhow, twice or of another epoch, and make the same matrix", () => {
    const batches = fc.array(
      fc.record({ tokens: fc.uniqueArray(fc.nat(6), { minLength: 1 }), stale: fc.boolean() }),
    );
    fc.assert(
      fc.property(batches, (batches) => {
        const model = new FakeModel();
        const store = new Store(model);
        const came = new Set<number>();
        for (const { tokens, stale } of batches) {
          model.receive(features(tokens, stale ? 0 : 1), [rowsBuffer(tokens)]);
          if (!stale) for (const token of tokens) came.add(token);
        }
        expect(store.pairs.missing()).toEqual(ALL.filter((token) => !came.has(token)));
        for (const token of came) {
          const values = store.pairs.values.subarray(token * WIDTH, (token + 1) * WIDTH);
          expect(values).toEqual(row(token));
        }
        store.close();
      }),
    );
  });

  test("are read from a buffer that starts somewhere else", () => {
    const bytes = new Uint8Array(rowsBuffer([2]).buffer);
    const buffer = new Uint8Array(bytes.length + 3);
    buffer.set(bytes, 3);
    model.receive(features([2]), [new DataView(buffer.buffer, 3)]);
    expect(store.pairs.along(0, [2])[1]).toBeCloseTo(2.1, 5);
  });

  test("of the wrong size are not taken", () => {
    model.receive(features([1, 2]), [rowsBuffer([1])]);
    expect(store.pairs.count).toBe(0);
  });

  test("go into the model together and are saved once, after the last arrival", () => {
    receiveRows([0, 1]);
    vi.advanceTimersByTime(300);
    receiveRows([2]);
    vi.advanceTimersByTime(300);
    expect(decodeFloats(model.get("rows"))).toHaveLength(7 * WIDTH);
    expect(model.saves).toHaveLength(0);
    receiveRows([3]);
    vi.advanceTimersByTime(5000);
    expect(model.saves).toHaveLength(1);
    const saved = decodeFloats(model.get("rows"));
    expect(saved.subarray(3 * WIDTH, 4 * WIDTH)).toEqual(row(3));
    expect(saved[4 * WIDTH]).toBeNaN();
  });

  test("that an echo lacks are kept", () => {
    receiveRows([0, 1]);
    const echo = new Float32Array(7 * WIDTH).fill(Number.NaN);
    echo.set(row(5), 5 * WIDTH);
    model.update({ rows: encodeFloats(echo) });
    expect(store.pairs.missing()).toEqual([2, 3, 4, 6]);
  });

  test("that are missing after all was sent are asked for again, a few times", () => {
    receiveRows([0, 1, 2, 3]);
    for (let i = 0; i < 6; i++) model.receive({ type: "done", epoch: 1 });
    const asked = model.sent.filter((message) => message.type === "features");
    expect(asked).toHaveLength(3);
    expect(asked[0]).toEqual(features([4, 5, 6]));
    expect(store.absence).toBe("left out");
    receiveRows([4, 5, 6]);
    expect(store.pairs.complete).toBe(true);
  });

  test("that are there are never asked for", () => {
    receiveRows([1]);
    store.along(0, [1]);
    store.along(0, [1, 2]);
    expect(model.sent.slice(1)).toEqual([features([2])]);
  });
});

describe("a sum over features of side 1", () => {
  // Feature 0 is CLS, patch 0 is feature 1.
  const region = () => store.along(1, [1, 3]);

  test("is made of rows, and of Python's answer where they are missing", () => {
    receiveRows([2]);
    expect(region()[1]).toBeNaN();
    const request = model.sent.at(-1);
    expect(request).toMatchObject({ type: "features", side: 1, features: [1, 3] });
    const id = request?.type === "features" ? request.id : -1;
    const answer = Float32Array.of(0, 10, 20, 30, 40, 50, 60);
    const message = { type: "features", epoch: 1, part: "", side: 1, features: [1, 3] } as const;
    model.receive({ ...message, features: [1, 3], id: id + 1 }, [encodeFloats(answer)]);
    expect(region()[1]).toBeNaN();
    model.receive({ ...message, features: [1, 3], id }, [encodeFloats(answer)]);
    const values = region();
    expect(values[0]).toBe(0);
    expect(values[1]).toBe(10);
    expect(values[2]).toBeCloseTo(2.1 + 2.3, 5);
  });

  test("is not asked for when all rows are there", () => {
    receiveRows(ALL);
    region();
    expect(model.sent).toHaveLength(1);
  });

  test("is not asked for where one of them is special", () => {
    store.along(1, [0, 1]);
    expect(model.sent).toHaveLength(1);
  });
});

describe("epochs", () => {
  test("a new one starts anew with what the traits hold, and drops what was on its way", () => {
    receiveRows(ALL);
    model.receive({ type: "failure", epoch: 1, message: "It broke." });
    const changed = vi.fn();
    store.subscribe(changed, new AbortController().signal);
    model.update({
      epoch: 2,
      sides: sidesOf({
        text: "red",
        tokens: tokensOf([["red", 0, 0, 3]]),
        grid: [1, 2],
        names: [],
      }),
      rows: null,
    });
    expect(changed).toHaveBeenCalled();
    expect(store.subject.sides[0][0]).toMatchObject({ kind: "sentence", text: "red" });
    expect(store.pairs).toMatchObject({ rows: 1, columns: 2, count: 0 });
    expect(store.failure).toBe("");
    model.receive(features([0]), [encodeFloats(Float32Array.of(1, 2))]);
    expect(store.pairs.count).toBe(0);
    model.receive(features([0], 2), [encodeFloats(Float32Array.of(1, 2))]);
    expect(store.pairs.count).toBe(1);
    vi.advanceTimersByTime(1000);
    expect(decodeFloats(model.get("rows"))).toEqual(Float32Array.of(1, 2));
  });
});

test("results of what was explained before do not pass for those of what is explained now", () => {
  receiveRows(ALL);
  const ledger = {
    similarity: 1,
    pairs: 1,
    rows_only: 0,
    columns_only: 0,
    baseline: 0,
    residual: 0,
    unit_scale: 1,
    ...HEADLESS,
    terms: [],
  };
  model.receive({ type: "ledger", epoch: 1, read_outs: [], ledger, similarity: 1, about: {} });
  vi.advanceTimersByTime(1000);
  // Python knows nothing of the page's rows, so that its update does not touch them.
  model.update({ epoch: 2, sides: sidesOf({ text: "a Snowman, red" }) });
  expect(store.pairs.count).toBe(0);
  expect([store.ledger, store.similarity]).toEqual([null, null]);
  expect(decodeFloats(model.get("rows"))).toHaveLength(0);
  // What comes with the update itself counts.
  model.update({ epoch: 3, rows: rowsBuffer(ALL), ledger: { ...ledger }, similarity: 1 });
  expect([store.pairs.complete, store.similarity]).toEqual([true, 1]);
});

describe("without a kernel", () => {
  test("silence is noticed, and a late word ends it", () => {
    expect(store.absence).toBe("computing");
    vi.advanceTimersByTime(3000);
    expect(store.absence).toBe("silent");
    receiveRows([0]);
    expect(store.absence).toBe("computing");
  });

  test("a host that refuses to send does not stop the page", () => {
    class Refusing extends FakeModel {
      override send(): void {
        throw new Error("no comm");
      }
      override save_changes(): void {
        throw new Error("no comm");
      }
    }
    const debug = vi.spyOn(console, "debug").mockImplementation(() => {});
    const alone = new Store(new Refusing());
    const selection = bound(alone);
    selection.pin([[1], []]);
    expect(alone.model.get("selected_rows")).toEqual([1]);
    expect(debug).toHaveBeenCalledTimes(2);
    alone.close();
    debug.mockRestore();
  });
});

/** A selection that is bound to a store for as long as the test lasts. */
function bound(store: Store): Selection {
  const selection = new Selection();
  store.bind(selection, new AbortController().signal);
  return selection;
}

describe("pins", () => {
  test("are traits: ascending, saved when they change, and set from Python too", () => {
    const selection = bound(store);
    selection.pin([[3, 1, 3], [3]]);
    expect(model.get("selected_rows")).toEqual([1, 3]);
    expect(model.get("selected_columns")).toEqual([3]);
    expect(model.saves).toHaveLength(1);
    selection.pin([[1, 3], [3]]);
    expect(model.saves).toHaveLength(1);
    const changed = vi.fn();
    store.subscribe(changed, new AbortController().signal);
    model.update({ selected_rows: [2], selected_columns: [100, 5] });
    expect(changed).toHaveBeenCalled();
    expect(selection.pins).toEqual([[2], [5]]);
  });

  test("of both sides change in one step, in every selection of the model", () => {
    const [selection, other] = [bound(store), bound(store)];
    const changed = vi.fn();
    selection.subscribe(changed, new AbortController().signal);
    selection.pin([[1], [2]]);
    expect(changed).toHaveBeenCalledOnce();
    expect(other.pins).toEqual([[1], [2]]);
  });

  test("may be special, which is saved too", () => {
    const selection = bound(store);
    selection.pin([[], [0, 2]]);
    expect(model.get("selected_columns")).toEqual([0, 2]);
    model.update({ selected_columns: [5] });
    expect(selection.pins).toEqual([[], [5]]);
  });

  test("of what was explained before are not those of what is explained now", () => {
    const selection = bound(store);
    selection.pin([[1], [0, 2]]);
    selection.point([[3], []]);
    model.update({ epoch: 2, selected_rows: [2], selected_columns: [] });
    expect([selection.pins, selection.hover]).toEqual([
      [[2], []],
      [[], []],
    ]);
  });
});

describe("what is pointed at", () => {
  test("is told to Python where it asked for that", () => {
    const selection = bound(store);
    selection.point([[1], []]);
    expect(model.get("hovered")).toEqual({ rows: [], columns: [] });
    model.update({ report_hover: true });
    selection.point([[6], [0, 3]]);
    expect(model.get("hovered")).toEqual({ rows: [6], columns: [0, 3] });
  });

  test("is what the model says, as of a view that is linked to it", () => {
    const selection = bound(store);
    model.update({ hovered: { rows: [2, 99], columns: [1] } });
    expect(selection.hover).toEqual([[2], [1]]);
  });
});

test("two models that share a selection have the same pins", () => {
  const other = new FakeModel({ selected_rows: [6] });
  const second = new Store(other);
  const selection = bound(store);
  selection.pin([[1], [2]]);
  second.bind(selection, new AbortController().signal);
  expect(other.get("selected_rows")).toEqual([1]);
  other.update({ selected_rows: [5] });
  expect([selection.pins[0], model.get("selected_rows")]).toEqual([[5], [5]]);
  second.close();
});

test("the ledger goes into the model", () => {
  const ledger = {
    similarity: 0.5,
    pairs: 0.3,
    rows_only: 0.1,
    columns_only: 0.1,
    baseline: 0,
    residual: 0,
    unit_scale: 1,
    ...HEADLESS,
    terms: [],
  };
  const about = { model: "bundled", nodes: "8 nodes" };
  model.receive({ type: "ledger", epoch: 1, read_outs: [], ledger, similarity: 0.5, about });
  expect(store.ledger).toEqual(ledger);
  expect(store.similarity).toBe(0.5);
  expect(store.about).toEqual(about);
  vi.advanceTimersByTime(1000);
  expect(model.saves).toHaveLength(1);
  const changed = vi.fn();
  store.subscribe(changed, new AbortController().signal);
  for (const set of [{ ledger }, { similarity: 0.5 }, { about }]) model.update(set);
  expect(changed).toHaveBeenCalledTimes(3);
});

test("closing saves what is pending and leaves no listener and no timer behind", () => {
  receiveRows([0]);
  store.close();
  expect(model.saves).toHaveLength(1);
  expect(model.listening).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

test("listeners end with their signal", () => {
  const controller = new AbortController();
  const changed = vi.fn();
  store.subscribe(changed, controller.signal);
  controller.abort();
  receiveRows([0]);
  expect(changed).not.toHaveBeenCalled();
});
