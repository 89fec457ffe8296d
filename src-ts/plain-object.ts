// Plain objects, the one form in which values are taken by their names. What an object inherits would
// be overlooked in one place and counted in another, so an object that may inherit is refused.

import { invalid, refused } from './errors';

/** A copy of what a plain object sets, with no prototype; `undefined` counts as not set. */
export function ownValues(name: string, given: unknown, allowed: string): Record<string, unknown> {
  const own: Record<string, unknown> = Object.create(null);
  for (const [key, value] of Object.entries(plainObject(name, given, allowed))) {
    if (value !== undefined) own[key] = value;
  }
  return own;
}

/** A plain object, of any realm. */
export function plainObject(name: string, given: unknown, allowed: string): object {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw invalid(name, given, allowed);
  }
  const prototype: object | null = Object.getPrototypeOf(given);
  if (prototype !== null && !isRoot(prototype)) {
    throw refused(name, described(prototype), allowed);
  }
  return given;
}

/** Whether it is the `Object.prototype` of some realm. */
function isRoot(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf');
}

/** An object with this prototype, in words. */
function described(prototype: object): string {
  const maker: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
  return typeof maker === 'function' && typeof maker.name === 'string' && maker.name !== ''
    ? `an instance of ${maker.name}`
    : 'an object that inherits from another';
}
