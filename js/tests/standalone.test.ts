import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { bytesOf } from "../src/model/bytes";
import { parseState } from "../src/model/standalone";
import type { PictureState } from "../src/values/shapes";

test("bytes come out of JSON as they went in, at any depth", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const base64 = btoa(String.fromCharCode(...bytes));
      const sides = [{ panels: [{ kind: "picture", data: { base64 }, grid: [1, 2] }] }];
      const model = parseState(JSON.stringify({ rows: { base64 }, sides, epoch: 3 }));
      expect([...bytesOf(model.get("rows"))]).toEqual([...bytes]);
      expect(model.get("epoch")).toBe(3);
      const panel = model.get("sides")[0]?.panels[0] as PictureState;
      expect([...bytesOf(panel.data)]).toEqual([...bytes]);
      expect(panel.grid).toEqual([1, 2]);
    }),
  );
});

test("an object that only looks like bytes is left alone", () => {
  const model = parseState('{"about": {"base64": "x", "model": "m"}}');
  expect(model.get("about")).toEqual({ base64: "x", model: "m" });
});

test("who listens hears of changes, once each, until it stops", () => {
  const model = parseState('{"smooth": false}');
  const heard = vi.fn();
  model.on("change:smooth", heard);
  model.set("smooth", true);
  model.set("smooth", true);
  expect(heard).toHaveBeenCalledOnce();
  model.off("change:smooth", heard);
  model.set("smooth", false);
  expect(heard).toHaveBeenCalledOnce();
});

test("nobody is told and nothing fails", () => {
  const model = parseState("{}");
  expect(() => {
    model.send({ type: "hello", epoch: 1, protocol: 2 });
    model.save_changes();
  }).not.toThrow();
});
