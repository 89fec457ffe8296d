// The options of the clients: as plain objects, and as chainable builders over the same names.
// What is allowed, and every default, is the native side's business.

import { converting, invalid } from './errors';
import { headerRecord } from './header-record';
import { headerPairs, type RequestHeaders } from './headers';
import { addon, type ClientKind } from './native';
import { ownValues } from './plain-object';
import { nativeTls, type TlsOptions } from './tls-options';

/** How messages are to be compressed. */
export interface PerMessageDeflateOptions {
  /** How hard to compress what is sent: 0 stores, 1 is fastest, 9 smallest. Default 1. */
  level?: number;
  /** Messages of fewer bytes are sent uncompressed. Default 1,024. */
  threshold?: number;
  /** Memory for compressing, 1 to 9. Default 8. */
  memLevel?: number;
  /** Demands that the server compress each message by itself. */
  serverNoContextTakeover?: boolean;
  /** Compresses each message by itself, and tells the server so. */
  clientNoContextTakeover?: boolean;
  /** Demands that the server look back at most 2 to this many bytes, 8 to 15. */
  serverMaxWindowBits?: number;
  /** Looks back at most 2 to this many bytes when compressing, 9 to 15, and tells the server so. */
  clientMaxWindowBits?: number;
}

/** What all clients take. Durations are milliseconds, fractions allowed; sizes are bytes. */
export interface CommonOptionsInit {
  /**
   * The longest wait after an idle turn; null, the default, spins.
   *
   * It is ended at once by data or by a command, and so bounds how often `onPoll` and `onIdle` come.
   * With the time that waking up takes, a round trip lasts up to 1.7 times as long
   * (`npm run bench -- rtt`). `run` in the event loop waits by Node's timers: whole milliseconds, 1 at
   * least.
   */
  spinWaitDuration?: number | null;
  /** TCP_NODELAY; left out, the system's default applies. */
  nodelay?: boolean;
  /** Hops that a packet may take, 1 to 255. */
  ttl?: number;
  /** Header fields to add to the upgrade request. */
  headers?: RequestHeaders;
  /** Subprotocols to offer, in order of preference. */
  subprotocols?: readonly string[];
  /**
   * Offers the server to compress messages (permessage-deflate, RFC 7692); false, the default, does
   * not: latency first. `client.response.extensions` says whether it agreed.
   *
   * It costs 1.2 µs to inflate 150 bytes of JSON, 2 µs for 1 KiB, and 3.4 µs to compress 1 KiB at
   * level 1, 11 µs at level 6; 100 KiB of memory, 45 more once a compressed message has come, and
   * 380 more once one was sent. `maxMessageSize` holds for what a message becomes.
   */
  perMessageDeflate?: boolean | PerMessageDeflateOptions;
  /** For name resolution, TCP, TLS and upgrade together. Default 30,000. */
  connectTimeout?: number;
  /** For the closing handshake. Default 5,000. */
  closeTimeout?: number;
  /** Largest message accepted. Default 64 MiB. */
  maxMessageSize?: number;
  /** Largest frame accepted. Default 16 MiB. */
  maxFrameSize?: number;
  /** Most bytes accepted for sending that the kernel has not taken; over it a send throws. */
  maxBufferedAmount?: number;
  /** What text messages are delivered as; as `'buffer'` they are not decoded. Default `'string'`. */
  textFormat?: 'string' | 'buffer';
  /** The local IP address to connect from. */
  localAddress?: string;
  /** Turns TCP keep-alive on, with this idle time before the first probe, in whole seconds. */
  keepAlive?: number;
  /** SO_RCVBUF. */
  receiveBufferSize?: number;
  /** SO_SNDBUF. */
  sendBufferSize?: number;
  /** SO_BUSY_POLL in microseconds; Linux only. */
  busyPoll?: number;
  /** TCP_QUICKACK, renewed after each read; Linux only. */
  quickAck?: boolean;
  /** The processor, from 0, to which a Rust thread started for this client is pinned. */
  cpuAffinity?: number;
  /** How TLS is done for `wss://`. */
  tls?: TlsOptions;
  /**
   * Gives up connecting: `connect` rejects with the signal's reason.
   *
   * `connectSync` looks at it once, before it begins: while it runs, nothing can abort a signal.
   */
  signal?: AbortSignal;
}

/** What the clients take whose events go to a handler. */
export interface HandlerOptionsInit extends CommonOptionsInit {
  /**
   * Whether a `Buffer` is good only until the callback that it is given to returns: later ones are
   * written over it, so copy what you keep, and what you need after an `await`. Default false.
   *
   * Half as many messages again of 1 KiB and more are then received in a second, without work for
   * the garbage collector.
   */
  reuseBuffers?: boolean;
}

/** Options of the non-blocking client. */
export interface NonBlockingOptionsInit extends HandlerOptionsInit {}

/** Options of the blocking client. */
export interface BlockingOptionsInit extends HandlerOptionsInit {
  /** How long a read waits before the turn counts as idle; null, the default, waits for ever. */
  readTimeout?: number | null;
  /** How long a write waits before the rest is queued; null, the default, waits for ever. */
  writeTimeout?: number | null;
}

/** Options of the async client. */
export interface AsyncNonBlockingOptionsInit extends CommonOptionsInit {
  /**
   * Most events waiting in the channel. Default 65,536.
   *
   * When it is full the socket is read no further, so the peer feels it; nothing is dropped.
   */
  eventCapacity?: number;
  /**
   * Most bytes of payloads waiting in the channel, but for one message more. Default 64 MiB.
   *
   * It is full when either bound is reached.
   */
  eventCapacityBytes?: number;
}

let valuesOf: (builder: OptionsBuilder<CommonOptionsInit>) => CommonOptionsInit;

/** The methods that all builders have; each checks its value at once. */
abstract class OptionsBuilder<Init extends CommonOptionsInit> {
  readonly #kind: ClientKind;
  /** Without a prototype: what all objects inherit is never in the way. */
  readonly #values: Init = Object.create(null);

  /** @internal */
  constructor(kind: ClientKind) {
    this.#kind = kind;
  }

  /** The longest wait after an idle turn, ended at once by data or a command; null spins. */
  spinWaitDuration(milliseconds: number | null): this {
    return this.set('spinWaitDuration', milliseconds);
  }

  /** TCP_NODELAY. */
  nodelay(on: boolean): this {
    return this.set('nodelay', on);
  }

  /** Hops that a packet may take, 1 to 255. */
  ttl(hops: number): this {
    return this.set('ttl', hops);
  }

  /** Header fields to add to the upgrade request. */
  headers(headers: RequestHeaders): this {
    return this.set('headers', headers);
  }

  /** Subprotocols to offer, in order of preference. */
  subprotocols(offered: readonly string[]): this {
    return this.set('subprotocols', offered);
  }

  /** Offers the server to compress messages. */
  perMessageDeflate(offered: boolean | PerMessageDeflateOptions): this {
    return this.set('perMessageDeflate', offered);
  }

  /** For name resolution, TCP, TLS and upgrade together. */
  connectTimeout(milliseconds: number): this {
    return this.set('connectTimeout', milliseconds);
  }

  /** For the closing handshake. */
  closeTimeout(milliseconds: number): this {
    return this.set('closeTimeout', milliseconds);
  }

  /** Largest message accepted. */
  maxMessageSize(bytes: number): this {
    return this.set('maxMessageSize', bytes);
  }

  /** Largest frame accepted. */
  maxFrameSize(bytes: number): this {
    return this.set('maxFrameSize', bytes);
  }

  /** Most bytes accepted for sending that the kernel has not taken. */
  maxBufferedAmount(bytes: number): this {
    return this.set('maxBufferedAmount', bytes);
  }

  /** What text messages are delivered as. */
  textFormat(format: 'string' | 'buffer'): this {
    return this.set('textFormat', format);
  }

  /** The local IP address to connect from. */
  localAddress(address: string): this {
    return this.set('localAddress', address);
  }

  /** Turns TCP keep-alive on, with this idle time before the first probe, in whole seconds. */
  keepAlive(milliseconds: number): this {
    return this.set('keepAlive', milliseconds);
  }

  /** SO_RCVBUF. */
  receiveBufferSize(bytes: number): this {
    return this.set('receiveBufferSize', bytes);
  }

  /** SO_SNDBUF. */
  sendBufferSize(bytes: number): this {
    return this.set('sendBufferSize', bytes);
  }

  /** SO_BUSY_POLL; Linux only. */
  busyPoll(microseconds: number): this {
    return this.set('busyPoll', microseconds);
  }

  /** TCP_QUICKACK, renewed after each read; Linux only. */
  quickAck(on: boolean): this {
    return this.set('quickAck', on);
  }

  /** The processor, from 0, to which a Rust thread started for this client is pinned. */
  cpuAffinity(processor: number): this {
    return this.set('cpuAffinity', processor);
  }

  /** How TLS is done for `wss://`. */
  tls(tls: TlsOptions): this {
    return this.set('tls', tls);
  }

  /** Gives up connecting: `connect` rejects with the signal's reason. */
  signal(signal: AbortSignal): this {
    return this.set('signal', signal);
  }

  /** @internal */
  protected set<Name extends keyof Init>(name: Name, value: Init[Name]): this {
    const { headers, native } = parseOptions({ [name]: value });
    const record = headerRecord(headers);
    converting(() => addon.checkOptions(this.#kind, { ...native, headers: record }));
    // Their pairs: an iterator would bring them only this once.
    this.#values[name] = name === 'headers' ? (headers as Init[Name]) : value;
    return this;
  }

  static {
    valuesOf = builder => builder.#values;
  }
}

/** The methods of the builders for clients whose events go to a handler. */
abstract class HandlerOptionsBuilder<Init extends HandlerOptionsInit> extends OptionsBuilder<Init> {
  /** Whether a `Buffer` is good only until the callback that it is given to returns. */
  reuseBuffers(on: boolean): this {
    return this.set('reuseBuffers', on);
  }
}

/** Options of the non-blocking client, and all but `reuseBuffers` of the async one, to be chained. */
export class NonBlockingOptions extends HandlerOptionsBuilder<NonBlockingOptionsInit> {
  constructor() {
    super('nonBlocking');
  }
}

/** Options of the blocking client, to be chained. */
export class BlockingOptions extends HandlerOptionsBuilder<BlockingOptionsInit> {
  constructor() {
    super('blocking');
  }

  /** How long a read waits before the turn counts as idle; null waits for ever. */
  readTimeout(milliseconds: number | null): this {
    return this.set('readTimeout', milliseconds);
  }

  /** How long a write waits before the rest is queued; null waits for ever. */
  writeTimeout(milliseconds: number | null): this {
    return this.set('writeTimeout', milliseconds);
  }
}

/** Options of the async client, to be chained. */
export class AsyncNonBlockingOptions extends OptionsBuilder<AsyncNonBlockingOptionsInit> {
  constructor() {
    super('async');
  }

  /** Most events waiting in the channel; when it is full the socket is read no further. */
  eventCapacity(events: number): this {
    return this.set('eventCapacity', events);
  }

  /** Most bytes of payloads waiting in the channel, but for one message more. */
  eventCapacityBytes(bytes: number): this {
    return this.set('eventCapacityBytes', bytes);
  }
}

/** Options taken apart: what the native side gets, and what it does not. */
export interface ParsedOptions {
  readonly headers: Array<[string, string]>;
  readonly native: Record<string, unknown>;
  readonly signal: AbortSignal | undefined;
}

const NO_VALUES: Record<string, unknown> = Object.create(null);

/** Takes a builder or a plain object apart. */
export function parseOptions(options: unknown): ParsedOptions {
  const given: unknown = options instanceof OptionsBuilder ? valuesOf(options) : options;
  const { headers, signal, tls, perMessageDeflate, ...others } =
    given === undefined ? NO_VALUES : ownValues('options', given, 'a plain object of options');
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalid('signal', signal, 'an AbortSignal');
  }
  const native: Record<string, unknown> = Object.assign(Object.create(null), others);
  if (tls !== undefined) native.tls = nativeTls(tls);
  if (perMessageDeflate !== undefined) native.perMessageDeflate = nativeDeflate(perMessageDeflate);
  return { headers: headerPairs(headers), native, signal };
}

/** The native side knows what else there is. */
function nativeDeflate(deflate: unknown): unknown {
  if (typeof deflate !== 'object' || deflate === null) return deflate;
  return ownValues('perMessageDeflate', deflate, 'true, false or a plain object of its options');
}
