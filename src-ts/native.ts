// The only import of the generated loader: the native functions and classes, typed.
// Decides nothing; says clearly what to do when there is no addon for this platform.

import type * as Addon from '../native/index.js';

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
  try {
    return require('../native/index.js');
  } catch (cause) {
    throw new Error(
      `s9-websocket: no native addon could be loaded for ${platform()} (Node ${process.version}). ` +
        'Prebuilt are Linux x64 and arm64 (glibc and musl), macOS x64 and arm64, and Windows x64. ' +
        'On one of these, install again without --omit=optional or --no-optional, on the platform ' +
        'that will run it; elsewhere, build from a clone of the repository with `npm run build` ' +
        '(needs Rust, a C compiler and perl). The cause of this error holds what was tried.',
      { cause },
    );
  }
}

function platform(): string {
  const { platform, arch } = process;
  if (platform !== 'linux') return `${platform} ${arch}`;
  // Only a Node linked against glibc reports a glibc version.
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return `${platform} ${arch} (${header?.glibcVersionRuntime ? 'glibc' : 'musl'})`;
}
