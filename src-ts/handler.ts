// The callbacks of a handler, and the check that what was given is one.

import { invalid, type S9WebSocketError } from './errors';

/**
 * What happens on a connection, told to you; every member is optional.
 *
 * Every method of the client may be called from every callback. What a callback throws ends the
 * loop: Close 1000 is sent, `onQuit` follows, and the thrown value comes out of the run unchanged.
 * What an async callback rejects with ends nothing: it is an unhandled rejection, as of a listener of
 * any emitter.
 *
 * @typeParam C - the client
 * @typeParam T - what text messages come as: `Buffer` with `textFormat: 'buffer'`
 */
export interface S9WebSocketClientHandler<C, T extends string | Buffer = string> {
  /** Once, before everything else. */
  onActivated?(client: C): void;
  /** Before each turn of the loop; with a Rust thread before each batch handed over. */
  onPoll?(client: C): void;
  /** After each turn that brought nothing; with a Rust thread after each batch handed over. */
  onIdle?(client: C): void;
  /** A text message, whole and valid UTF-8. */
  onTextMessage?(client: C, data: T): void;
  /**
   * A binary message, whole; the bytes are yours to keep, unless `reuseBuffers` is set.
   *
   * One of up to 64 KiB may share its memory with others, and then cannot be transferred to another
   * thread: copy it.
   */
  onBinaryMessage?(client: C, data: Buffer): void;
  /** A ping; the pong needs no doing of yours. */
  onPing?(client: C, data: Buffer): void;
  /** A pong, with what the ping carried. */
  onPong?(client: C, data: Buffer): void;
  /**
   * The connection ended by a Close frame; `onQuit` follows. 1005 is a Close without code, 1006 an end
   * without Close once ours was sent: without ours, `onError` tells of it.
   */
  onConnectionClosed?(client: C, reason: string | null, code: number): void;
  /** The connection failed; `onQuit` follows. */
  onError?(client: C, error: S9WebSocketError): void;
  /** Exactly once, after everything else, whatever happened before. */
  onQuit?(client: C): void;
}

/** A handler of either kind of text. */
export type AnyHandler<C> = S9WebSocketClientHandler<C> | S9WebSocketClientHandler<C, Buffer>;

const CALLBACKS = [
  'onActivated',
  'onPoll',
  'onIdle',
  'onTextMessage',
  'onBinaryMessage',
  'onPing',
  'onPong',
  'onConnectionClosed',
  'onError',
  'onQuit',
] as const satisfies ReadonlyArray<keyof S9WebSocketClientHandler<unknown>>;

/** Refuses what is no handler, before the loop starts rather than when a callback is due. */
export function checkHandler(handler: unknown): void {
  if (typeof handler !== 'object' || handler === null) {
    throw invalid('handler', handler, 'an object with callbacks');
  }
  for (const name of CALLBACKS) {
    const callback: unknown = (handler as Record<string, unknown>)[name];
    if (callback !== undefined && typeof callback !== 'function') {
      throw invalid(`handler.${name}`, callback, 'a function, or nothing');
    }
  }
}
