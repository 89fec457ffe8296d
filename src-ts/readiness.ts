// Tells event-loop runs that wait when their socket is ready: one native watcher an environment.

import { addon, type NativeClient, type NativeWatcher } from './native';

const callbacks = new Map<number, () => void>();
let watcher: NativeWatcher | undefined;
let lastKey = 0;

/** A key for a client: for as long as it is watched, its socket stays registered under it. */
export function newKey(): number {
  // Wraps before a key would leave 32 bits; none of then is still in use.
  lastKey = lastKey === 0xffff_ffff ? 1 : lastKey + 1;
  return lastKey;
}

/** Calls back once, when there is something to read, or room to write what is buffered. */
export function whenReady(key: number, client: NativeClient, callback: () => void): void {
  // It does not keep the event loop alive: what waits has a timer too.
  watcher ??= new addon.NativeWatcher(deliverReadiness);
  callbacks.set(key, callback);
  watcher.watch(client, key);
}

/** Calls back no more; the socket stays registered for the next wait. */
export function stopWaiting(key: number): void {
  callbacks.delete(key);
}

/** Lets go of the socket. */
export function forgetReadiness(key: number): void {
  callbacks.delete(key);
  watcher?.forget(key);
}

function deliverReadiness(): void {
  for (const key of watcher?.take() ?? []) {
    const callback = callbacks.get(key);
    // Readiness of a wait that ended otherwise, while it was on its way here, is nobody's news.
    callbacks.delete(key);
    callback?.();
  }
}
