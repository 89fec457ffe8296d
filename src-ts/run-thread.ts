// A run whose loop is on a Rust thread: batches come over a channel and are delivered here.

import { BATCH_CAPACITY, borrowBatch, Result, returnBatch } from './batch';
import type { ClientCore } from './client-core';
import type { Delivery } from './delivery';
import { converting } from './errors';
import { EventSource } from './event-source';
import type { NativeReceiver } from './native';

/** Batches delivered before the event loop gets a turn. */
const BATCHES_A_TICK = 8;

/** Resolves once `quit` has been delivered; rejects with what the handler threw. */
export function runOnThread(core: ClientCore, delivery: Delivery<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    converting(() => core.native.startThread());
    const receiver = core.native.events();
    const source = new EventSource(receiver);
    const pump = (): void => {
      core.wake = undefined;
      try {
        if (core.disposed) delivery.quit();
        const drained = deliverBatches(core, delivery, receiver);
        if (!core.ended) {
          if (!drained || source.wait(pump)) setImmediate(pump);
          else core.wake = wake;
          return;
        }
      } catch (value) {
        delivery.fail(value);
      }
      source.release();
      delivery.settle(resolve, reject);
    };
    const wake = (): void => {
      // Only disposal needs it: all else comes back over the channel.
      if (core.disposed && source.cancel()) setImmediate(pump);
    };
    setImmediate(pump);
  });
}

/** True once the channel was seen empty. */
function deliverBatches(
  core: ClientCore,
  delivery: Delivery<unknown>,
  receiver: NativeReceiver,
): boolean {
  const batch = borrowBatch();
  try {
    for (let taken = 0; taken < BATCHES_A_TICK && !core.ended; taken++) {
      const result = batch.take(receiver, BATCH_CAPACITY);
      if ((result & Result.CountMask) === 0) {
        // A thread that is gone without a word: `quit` is owed all the same.
        if (receiver.disconnected()) delivery.quit();
        return true;
      }
      delivery.poll();
      delivery.deliver(batch, result, receiver);
      delivery.idle();
      if ((result & Result.More) === 0) return true;
    }
    return false;
  } finally {
    returnBatch(batch);
  }
}
