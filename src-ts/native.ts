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

/** Unless it is set, the generated loader takes an addon of any version. */
const VERSION_CHECK = 'NAPI_RS_ENFORCE_VERSION_CHECK';

/** The addon's exports. */
export const addon: typeof Addon = load();

function load(): typeof Addon {
  checkRuntime();
  try {
    return checkingVersion(() => require('../native/index.js'));
  } catch (cause) {
    throw loadFailure(cause);
  }
}

/** Leaves the environment as it was: processes that are started later have it too. */
function checkingVersion<T>(load: () => T): T {
  if (process.env[VERSION_CHECK] !== undefined) return load();
  process.env[VERSION_CHECK] = '1';
  try {
    return load();
  } finally {
    delete process.env[VERSION_CHECK];
  }
}
