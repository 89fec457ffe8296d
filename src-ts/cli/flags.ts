// The flags of each command, read with node:util's parseArgs. Knows no value but text.

import { type ParseArgsConfig, parseArgs } from 'node:util';

import { UsageError, wrong } from './usage-error';

type Flags = NonNullable<ParseArgsConfig['options']>;

/** How a connection is made: for talking and for measuring. */
export const CONNECTING_FLAGS = {
  header: { type: 'string', short: 'H', multiple: true },
  subprotocol: { type: 'string', short: 's', multiple: true },
  ca: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
  insecure: { type: 'boolean', short: 'k' },
  compress: { type: 'boolean', short: 'z' },
} as const satisfies Flags;

const HELP = { help: { type: 'boolean', short: 'h' } } as const satisfies Flags;

export const TALK_FLAGS = {
  ...CONNECTING_FLAGS,
  ...HELP,
  version: { type: 'boolean', short: 'V' },
  client: { type: 'string' },
  send: { type: 'string', multiple: true },
  'send-binary': { type: 'string', multiple: true },
  binary: { type: 'string', short: 'b' },
  'binary-lines': { type: 'boolean' },
  'no-input': { type: 'boolean', short: 'n' },
  ping: { type: 'string' },
  count: { type: 'string', short: 'c' },
  timeout: { type: 'string', short: 't' },
  json: { type: 'boolean' },
  timestamps: { type: 'boolean' },
  quiet: { type: 'boolean', short: 'q' },
} as const satisfies Flags;

export const BENCH_FLAGS = {
  ...CONNECTING_FLAGS,
  ...HELP,
  measure: { type: 'string' },
  size: { type: 'string' },
  seconds: { type: 'string' },
  client: { type: 'string', multiple: true },
  svg: { type: 'string' },
  json: { type: 'boolean' },
  tls: { type: 'boolean' },
} as const satisfies Flags;

export const SERVE_FLAGS = {
  ...HELP,
  port: { type: 'string' },
  tls: { type: 'boolean' },
  'ca-out': { type: 'string' },
} as const satisfies Flags;

/** The values given for flags. */
export type Given<F extends Flags> = {
  readonly [Name in keyof F]?: F[Name] extends { multiple: true }
    ? readonly string[]
    : F[Name] extends { type: 'string' }
      ? string
      : true;
};

/** A command line taken apart. */
export interface TakenApart<F extends Flags> {
  readonly given: Given<F>;
  /** What is no flag, in order. */
  readonly positionals: readonly string[];
  /** Names and values of the flags, in the order given. */
  readonly inOrder: ReadonlyArray<readonly [name: string, value: string]>;
}

/** Takes a command line apart; refuses flags that there are not, and values too few or too many. */
export function takeApart<F extends Flags>(args: readonly string[], flags: F): TakenApart<F> {
  // Not strict: the errors are ours, which name what is allowed.
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: flags,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const inOrder: Array<[string, string]> = [];
  const seen = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const { name, rawName, value } = token;
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
    if (!flag) {
      const allowed = Object.keys(flags).map(known => `--${known}`);
      throw new UsageError(`there is no option ${rawName} (allowed: ${allowed.join(', ')})`);
    }
    if (flag.type === 'string' && value === undefined)
      throw new UsageError(`${rawName} needs a value`);
    if (flag.type === 'boolean' && value !== undefined) {
      throw new UsageError(`${rawName} takes no value, but was given ${JSON.stringify(value)}`);
    }
    if (!flag.multiple && seen.has(name)) throw new UsageError(`${rawName} was given twice`);
    seen.add(name);
    inOrder.push([name, value ?? '']);
  }
  return { given: values as Given<F>, positionals, inOrder };
}

/** One of some words. */
export function oneOf<T extends string>(name: string, given: string, allowed: readonly T[]): T {
  const found = allowed.find(word => word === given);
  if (found === undefined) throw wrong(name, JSON.stringify(given), allowed.join(', '));
  return found;
}

/** A number in a range, whole or not. */
export function numberIn(
  name: string,
  given: string,
  range: { least: number; most: number; whole: boolean },
): number {
  const { least, most, whole } = range;
  // Not `Number(given)` alone: that reads '' and '0x10' too.
  const number = /^\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN;
  if (!(number >= least && number <= most) || (whole && !Number.isInteger(number))) {
    const kind = whole ? 'a whole number' : 'a number';
    throw wrong(name, JSON.stringify(given), `${kind}, ${least} to ${most}`);
  }
  return number;
}
