// The only import of the generated loader: the native functions and classes, typed.
// Decides nothing; `load-failure.ts` says what to do where there is no addon.

import type * as Addon from '../native/index.js';

import { checkRuntime, loadFailure } from './load-failure';

export type {
  NativeBatch,
  NativeClient,
  NativeConnecting,
  NativeEchoServer,
  NativeError,
  NativeJoinHandle,
  NativeReceiver,
  NativeResponse,
  NativeSender,
  NativeSocket,
  NativeWatcher,
} from '../native/index.js';

/** The three kinds of client, as the native side names them. */
export type ClientKind = 'nonBlocking' | 'blocking' | 'async';

/** The addon's exports. */
export const addon: typeof Addon = load();

function load(): typeof Addon {
  checkRuntime();
  try {
    return require('../native/index.js');
  } catch (cause) {
    throw loadFailure(cause);
  }
}
