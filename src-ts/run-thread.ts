// A run whose loop is on a Rust thread: batches come over a channel and are delivered here.

import { AsyncResource } from 'node:async_hooks';

import { BATCH_CAPACITY, borrowBatch, Result, returnBatch } from './batch';
import type { ClientCore } from './client-core';
import type { Delivery } from './delivery';
import { fromThrown } from './errors';
import { EventSource, LONGEST_TICK } from './event-source';

/** Resolves once `quit` has been delivered; rejects with what the handler threw. */
export function runOnThread(core: ClientCore, delivery: Delivery<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    try {
      core.native.startThread();
    } catch (value) {
      // It runs already, or has ended. What else may fail takes the connection with it.
      if (core.running || core.disposed) throw fromThrown(value);
      delivery.fail(value);
      delivery.settle(resolve, reject);
      return;
    }
    core.running = true;
    const receiver = core.native.events();
    const source = new EventSource(receiver);
    // A thread calls from no context, and disposal from that of its caller.
    const pump = AsyncResource.bind((): void => {
      core.wake = undefined;
      try {
        if (core.disposed) delivery.quit();
        const waits = deliverBatches();
        if (!core.ended) {
          if (waits) core.wake = wake;
          else setImmediate(pump);
          return;
        }
      } catch (value) {
        delivery.fail(value);
      }
      source.cancel();
      core.running = false;
      delivery.settle(resolve, reject);
    });
    const wake = (): void => {
      // Only disposal needs it: all else comes back over the channel.
      if (core.disposed && source.cancel()) setImmediate(pump);
    };
    /** True once it waits for more. */
    const deliverBatches = (): boolean => {
      const batch = borrowBatch(core.reusesBuffers);
      try {
        const until = performance.now() + LONGEST_TICK;
        while (!core.ended) {
          const result = source.takeOrWait(batch, BATCH_CAPACITY, pump);
          if (result === 0) return true;
          // A thread that is gone without a word: `quit` is owed all the same.
          if (result & Result.Over) delivery.quit();
          else {
            delivery.poll();
            delivery.deliver(batch, result, receiver);
            delivery.idle();
          }
          if (performance.now() >= until) break;
        }
        return false;
      } finally {
        returnBatch(batch);
      }
    };
    setImmediate(pump);
  });
}
