// What a command line asks for, checked: everything that can be refused before connecting is.

import { BINARY_FORMATS, type BinaryFormat, decodeBinary } from './binary-text';
import {
  BENCH_FLAGS,
  type CONNECTING_FLAGS,
  type Given,
  numberIn,
  oneOf,
  SERVE_FLAGS,
  TALK_FLAGS,
  takeApart,
} from './flags';
import { HELP } from './help';
import { shownUrl } from './shown-url';
import { UsageError, wrong } from './usage-error';

/** How a connection is made. */
export interface Connecting {
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly subprotocols: readonly string[];
  /** Paths of PEM files. */
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly insecure: boolean;
  readonly compress: boolean;
}

export const CLIENTS = ['async', 'non-blocking', 'blocking'] as const;

export type ClientName = (typeof CLIENTS)[number];

/** A message to send. */
export type Outgoing = string | Buffer;

export interface TalkCommand {
  readonly name: 'talk';
  readonly url: string;
  readonly connecting: Connecting;
  readonly client: ClientName;
  /** What to send once connected, in order. */
  readonly send: readonly Outgoing[];
  readonly binary: BinaryFormat;
  readonly binaryLines: boolean;
  readonly input: boolean;
  /** Milliseconds between pings. */
  readonly ping: number | undefined;
  readonly count: number | undefined;
  /** Milliseconds. */
  readonly timeout: number | undefined;
  readonly json: boolean;
  readonly timestamps: boolean;
  readonly quiet: boolean;
}

export const MEASURES = ['ping', 'text', 'binary'] as const;

/** What goes there and back. */
export type Measure = (typeof MEASURES)[number];

export const CONTENDERS = [...CLIENTS, 'ws'] as const;

export interface BenchCommand {
  readonly name: 'bench';
  /** Left out, an echo server is started. */
  readonly url: string | undefined;
  readonly tls: boolean;
  readonly connecting: Connecting;
  readonly measure: Measure;
  readonly size: number;
  /** Milliseconds for each client. */
  readonly duration: number;
  readonly contenders: ReadonlyArray<(typeof CONTENDERS)[number]>;
  readonly svg: string | undefined;
  readonly json: boolean;
}

export interface ServeCommand {
  readonly name: 'serve';
  readonly port: number;
  readonly tls: boolean;
  readonly caOut: string | undefined;
}

export type Command =
  | TalkCommand
  | BenchCommand
  | ServeCommand
  | { readonly name: 'help'; readonly text: string }
  | { readonly name: 'version' };

/** What Node's timers take, in seconds. */
const SECONDS = { least: 0.001, most: 2_000_000, whole: false };
const MAX_PING = 125;
const MAX_MESSAGE = 16 << 20;

/** Reads a command line; throws a `UsageError`. */
export function readCommand(args: readonly string[]): Command {
  const [first, ...rest] = args;
  if (first === 'bench') return readBench(rest);
  if (first === 'serve') return readServe(rest);
  return readTalk(args);
}

function readTalk(args: readonly string[]): Command {
  const { given, positionals, inOrder } = takeApart(args, TALK_FLAGS);
  if (given.help) return { name: 'help', text: HELP.talk };
  if (given.version) return { name: 'version' };
  const url = onlyUrl(positionals);
  if (url === undefined)
    throw new UsageError('which server? Give a URL, such as wss://example.com');
  const binary = oneOf('--binary', given.binary ?? 'hex', BINARY_FORMATS);
  return {
    name: 'talk',
    url,
    connecting: readConnecting(given),
    client: oneOf('--client', given.client ?? 'async', CLIENTS),
    // As they were given, texts and binary ones among each other.
    send: inOrder.flatMap(([name, value]): Outgoing[] => {
      if (name === 'send') return [value];
      return name === 'send-binary' ? [decodeBinary('--send-binary', value, binary)] : [];
    }),
    binary,
    binaryLines: given['binary-lines'] ?? false,
    input: !given['no-input'],
    ping: milliseconds('--ping', given.ping),
    count:
      given.count === undefined
        ? undefined
        : numberIn('--count', given.count, { least: 1, most: 2 ** 48, whole: true }),
    timeout: milliseconds('--timeout', given.timeout),
    json: given.json ?? false,
    timestamps: given.timestamps ?? false,
    quiet: given.quiet ?? false,
  };
}

function readBench(args: readonly string[]): Command {
  const { given, positionals } = takeApart(args, BENCH_FLAGS);
  if (given.help) return { name: 'help', text: HELP.bench };
  const url = onlyUrl(positionals);
  if (url !== undefined && given.tls) {
    throw new UsageError(
      '--tls is for the echo server that bench starts; a URL says wss:// itself',
    );
  }
  const measure = oneOf('--measure', given.measure ?? (url ? 'ping' : 'text'), MEASURES);
  const most = measure === 'ping' ? MAX_PING : MAX_MESSAGE;
  // Each carries its number, in eight bytes.
  const size = numberIn('--size', given.size ?? (measure === 'ping' ? '8' : '64'), {
    least: 8,
    most,
    whole: true,
  });
  return {
    name: 'bench',
    url,
    tls: given.tls ?? false,
    connecting: readConnecting(given),
    measure,
    size,
    duration:
      numberIn('--seconds', given.seconds ?? '2', { least: 0.1, most: 3600, whole: false }) * 1000,
    contenders: (given.client ?? CONTENDERS).map(name => oneOf('--client', name, CONTENDERS)),
    svg: given.svg,
    json: given.json ?? false,
  };
}

function readServe(args: readonly string[]): Command {
  const { given, positionals } = takeApart(args, SERVE_FLAGS);
  if (given.help) return { name: 'help', text: HELP.serve };
  if (positionals.length > 0) {
    throw new UsageError(`serve takes options only, but was given ${shown(positionals)}`);
  }
  if (given['ca-out'] !== undefined && !given.tls) {
    throw new UsageError('--ca-out needs --tls: without it there is no certificate');
  }
  return {
    name: 'serve',
    port: numberIn('--port', given.port ?? '0', { least: 0, most: 65_535, whole: true }),
    tls: given.tls ?? false,
    caOut: given['ca-out'],
  };
}

function readConnecting(given: Given<typeof CONNECTING_FLAGS>): Connecting {
  return {
    headers: (given.header ?? []).map(readHeader),
    subprotocols: given.subprotocol ?? [],
    ca: given.ca,
    cert: given.cert,
    key: given.key,
    insecure: given.insecure ?? false,
    compress: given.compress ?? false,
  };
}

/** The value may be a credential: no error shows it. */
function readHeader(field: string): readonly [string, string] {
  const colon = field.indexOf(':');
  if (colon < 1) throw wrong('--header', 'a field without name and colon', "'NAME: VALUE'");
  return [field.slice(0, colon).trim(), field.slice(colon + 1).trim()];
}

function onlyUrl(positionals: readonly string[]): string | undefined {
  if (positionals.length > 1) {
    throw new UsageError(`one URL is enough, but there are ${shown(positionals)}`);
  }
  const [url] = positionals;
  if (url !== undefined && !(/^wss?:\/\//i.test(url) && URL.canParse(url))) {
    throw wrong(
      'URL',
      JSON.stringify(shownUrl(url)),
      'ws://HOST or wss://HOST; or the words bench and serve',
    );
  }
  return url;
}

function milliseconds(name: string, given: string | undefined): number | undefined {
  return given === undefined ? undefined : numberIn(name, given, SECONDS) * 1000;
}

const shown = (words: readonly string[]) =>
  words.map(word => JSON.stringify(shownUrl(word))).join(' ');
