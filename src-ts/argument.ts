// Checks of arguments whose JavaScript type would otherwise be lost on the way to native code.
// Ranges are the native side's business.

import { types } from 'node:util';

import { invalid, refused } from './errors';

/** Bytes to send: a `Uint8Array`, a `Buffer`, another view, or a whole buffer. */
export type Bytes = ArrayBufferView | ArrayBufferLike;

const BYTES = 'a Uint8Array, another view of bytes, or an ArrayBuffer';

/** The bytes of a view or buffer, not copied. */
export function bytes(name: string, value: unknown): Uint8Array {
  // Proxies have a prototype too, and no bytes. An empty one may be a view of a detached buffer, of
  // which no other can be made.
  if (ArrayBuffer.isView(value) && value instanceof Uint8Array && value.byteLength > 0) {
    return value;
  }
  try {
    if (ArrayBuffer.isView(value)) {
      return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    }
    if (types.isAnyArrayBuffer(value)) return new Uint8Array(value);
  } catch {
    throw refused(name, 'a detached buffer', BYTES);
  }
  throw invalid(name, value, BYTES);
}

/** As `bytes`, for a payload that may be left out. */
export function optionalBytes(name: string, value: unknown): Uint8Array | undefined {
  return value === undefined ? undefined : bytes(name, value);
}

/** A string. */
export function text(name: string, value: unknown): string {
  if (typeof value !== 'string') throw invalid(name, value, 'a string');
  return value;
}

/** Milliseconds to wait at most; `Infinity` when left out. */
export function timeout(name: string, value: unknown): number {
  if (value === undefined) return Number.POSITIVE_INFINITY;
  if (typeof value !== 'number' || !(value >= 0)) {
    throw invalid(name, value, 'a number of milliseconds, 0 or more');
  }
  return value;
}

/** A whole number that fits the native side's integers, so that nothing wraps around. */
export function integer(name: string, value: unknown, least: number, most: number): number {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    throw invalid(name, value, `a whole number, ${least} to ${most}`);
  }
  return value as number;
}
