// Connects, with or without blocking the thread. The work is done on a native thread.

import { rootCertificates } from 'node:tls';

import { ClientCore } from './client-core';
import { converting, fromNative, invalid } from './errors';
import { headerRecord } from './header-record';
import { headerPairs } from './headers';
import { addon, type ClientKind, type NativeConnecting } from './native';
import { parseOptions } from './options';

/** Connects; a signal gives it up. */
export async function connect(
  kind: ClientKind,
  url: unknown,
  options: unknown,
  headers?: unknown,
): Promise<ClientCore> {
  const { connecting, signal } = start(kind, url, options, headers);
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      connecting.cancel();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', abort, { once: true });
    connecting.onDone(() => {
      signal?.removeEventListener('abort', abort);
      const client = connecting.take();
      if (!client) reject(fromNative(connecting.error()));
      else if (signal?.aborted) {
        client.dispose();
        // Another listener may have kept the abort from this one.
        reject(signal.reason);
      } else resolve(new ClientCore(client));
    });
  });
}

/** Connects and blocks the thread until that is done. */
export function connectSync(
  kind: ClientKind,
  url: unknown,
  options: unknown,
  headers?: unknown,
): ClientCore {
  const { connecting } = start(kind, url, options, headers);
  while (!connecting.wait());
  const client = connecting.take();
  if (!client) throw fromNative(connecting.error());
  return new ClientCore(client);
}

function start(
  kind: ClientKind,
  url: unknown,
  options: unknown,
  headers: unknown,
): { connecting: NativeConnecting; signal: AbortSignal | undefined } {
  const address = url instanceof URL ? url.href : url;
  if (typeof address !== 'string') throw invalid('url', url, 'a string or a URL');
  const { headers: fromOptions, native, signal } = parseOptions(options);
  native.headers = headerRecord(fromOptions);
  const pairs = headerPairs(headers);
  signal?.throwIfAborted();
  return {
    connecting: converting(() =>
      addon.connect(kind, address, pairs, withFallbackRoots(address, native)),
    ),
    signal,
  };
}

/** Where the system has no roots, Node's own list stands in. */
function withFallbackRoots(url: string, options: Record<string, unknown>): Record<string, unknown> {
  const tls = options.tls as Record<string, unknown> | undefined;
  if (!/^wss:/i.test(url) || tls?.ca !== undefined || addon.hasSystemRoots()) return options;
  return { ...options, tls: { ...tls, fallbackRoots: rootCertificates } };
}
