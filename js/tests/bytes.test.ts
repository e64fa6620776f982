import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesOf, decodeFloats, encodeFloats } from "../src/model/bytes";

const floats = fc
  .array(fc.float({ noDefaultInfinity: true }))
  .map((list) => Float32Array.from(list));

test("floats survive any wrapping, at any offset", () => {
  fc.assert(
    fc.property(floats, fc.nat(9), fc.nat(9), (values, before, after) => {
      const bytes = bytesOf(encodeFloats(values));
      const buffer = new Uint8Array(before + bytes.length + after).fill(0xff);
      buffer.set(bytes, before);
      const inside = new DataView(buffer.buffer, before, bytes.length);
      expect(decodeFloats(inside)).toEqual(values);
      expect(decodeFloats(bytes.buffer)).toEqual(values);
    }),
  );
});

test("the order of bytes is little-endian", () => {
  expect([...bytesOf(encodeFloats(Float32Array.of(1)))]).toEqual([0, 0, 0x80, 0x3f]);
});

test("nothing holds no values, and a torn value is left out", () => {
  expect(decodeFloats(null)).toHaveLength(0);
  expect(decodeFloats(new ArrayBuffer(7))).toHaveLength(1);
});
