/** Little-endian float32 arrays to and from the bytes that hosts deliver. */

import type { Bytes } from "./protocol";

const WIDTH = 4; // bytes of a float32

/** The bytes themselves, whatever they were wrapped in and wherever in it they start. */
export function bytesOf(data: Bytes): Uint8Array<ArrayBuffer> {
  if (!data) return new Uint8Array();
  const view = ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
  return new Uint8Array(view);
}

/** Decode float32 values; bytes beyond the last whole value are left out. */
export function decodeFloats(data: Bytes): Float32Array {
  const bytes = bytesOf(data);
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: Math.floor(bytes.length / WIDTH) }, (_, i) =>
    view.getFloat32(i * WIDTH, true),
  );
}

export function encodeFloats(values: Float32Array): DataView<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(values.length * WIDTH));
  values.forEach((value, i) => {
    view.setFloat32(i * WIDTH, value, true);
  });
  return view;
}
