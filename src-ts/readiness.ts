// Tells event-loop runs that wait when their socket is ready: one native watcher an environment.

import { addon, type NativeClient, type NativeWatcher } from './native';

const callbacks = new Map<number, () => void>();
let watcher: NativeWatcher | undefined;
let lastKey = 0;

/** Calls back once, when there is something to read, or room to write what is buffered. */
export function whenReady(client: NativeClient, callback: () => void): number {
  if (!watcher) {
    watcher = new addon.NativeWatcher(deliverReadiness);
    // What waits has a timer too, and that keeps the event loop alive.
    watcher.unref();
  }
  // Wraps before a key would leave 32 bits; none of then is still in use.
  lastKey = lastKey === 0xffff_ffff ? 1 : lastKey + 1;
  callbacks.set(lastKey, callback);
  watcher.watch(client, lastKey);
  return lastKey;
}

/** Calls back no more. */
export function forgetReadiness(key: number): void {
  if (callbacks.delete(key)) watcher?.forget(key);
}

function deliverReadiness(): void {
  for (const key of watcher?.take() ?? []) {
    const callback = callbacks.get(key);
    // A socket is watched under one key at a time.
    forgetReadiness(key);
    callback?.();
  }
}
