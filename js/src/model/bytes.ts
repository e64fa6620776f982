/** Little-endian float32 arrays to and from the bytes that hosts deliver. */

import type { Bytes } from "../values/shapes";

const WIDTH = 4; // bytes of a float32

/** The bytes themselves, whatever they were wrapped in and wherever in it they start. */
export function bytesOf(data: Bytes): Uint8Array<ArrayBuffer> {
  if (!data) return new Uint8Array();
  const view = ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
  return new Uint8Array(view);
}

/**
 * Decode float32 values; bytes beyond the last whole value are left out. Browsers run on
 * little-endian machines alone, so the bytes are the array.
 */
export function decodeFloats(data: Bytes): Float32Array<ArrayBuffer> {
  const bytes = bytesOf(data);
  return new Float32Array(bytes.buffer, 0, Math.floor(bytes.length / WIDTH));
}

/** Encode a copy of float32 values. */
export function encodeFloats(values: Float32Array): DataView<ArrayBuffer> {
  return new DataView(new Float32Array(values).buffer);
}
