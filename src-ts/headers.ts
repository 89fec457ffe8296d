// Header fields to send: as users give them, and as pairs, the native side's form.

import { invalid, invalidType, type S9WebSocketError } from './errors';
import { plainObject } from './plain-object';

/** Header fields to send: a record, or pairs such as those of a `Map` or of `Headers`. */
export type RequestHeaders =
  | Readonly<Record<string, string | readonly string[]>>
  | Iterable<readonly [string, string]>;

const ALLOWED = 'a plain object of strings or arrays of strings, or pairs of strings';

/** The fields in order, one pair each. */
export function headerPairs(headers: unknown): Array<[string, string]> {
  if (headers === undefined) return [];
  if (typeof headers !== 'object' || headers === null) throw wrong(headers);
  const pairs: Array<[string, string]> = [];
  const entries = isIterable(headers)
    ? headers
    : Object.entries(plainObject('headers', headers, ALLOWED));
  for (const entry of entries) {
    if (!Array.isArray(entry) || entry.length !== 2) throw wrong(entry);
    const [name, values] = entry as [unknown, unknown];
    for (const value of Array.isArray(values) ? values : [values]) {
      if (typeof name !== 'string') throw wrong(name);
      // A value may be a credential: only its type is told.
      if (typeof value !== 'string') throw invalidType(labelled(name), value, ALLOWED);
      pairs.push([name, value]);
    }
  }
  return pairs;
}

/** A name that is none may be a whole field, credentials and all. */
function labelled(name: string): string {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(name) ? `headers.${name}` : 'headers';
}

/** A text in the wrong place may be a whole field, credentials and all: only its type is told. */
function wrong(given: unknown): S9WebSocketError {
  return typeof given === 'string'
    ? invalidType('headers', given, ALLOWED)
    : invalid('headers', given, ALLOWED);
}

function isIterable(value: object): value is Iterable<unknown> {
  return Symbol.iterator in value;
}
