// The loop on the caller's thread: nothing else runs until it ends. Also a single turn of it.

import { type Batch, borrowBatch, Result, returnBatch } from './batch';
import type { ClientCore } from './client-core';
import type { Delivery } from './delivery';

/** Runs until `quit` has been delivered; throws what the handler threw. */
export function runSync(core: ClientCore, delivery: Delivery<unknown>): void {
  core.claimed(true, () => {
    const batch = borrowBatch(core.reusesBuffers);
    try {
      if (delivery.wantsTurns) turnByTurn(core, delivery, batch);
      else {
        const { native } = core;
        const turnSync = native.bindTurnSync();
        while (!core.ended) delivery.deliver(batch, batch.fill(turnSync, 0, 0), native);
      }
    } catch (value) {
      delivery.fail(value);
    } finally {
      returnBatch(batch);
    }
  });
  delivery.rethrow();
}

/** One turn, without waiting; false once `quit` has been delivered. */
export function pollOnce(core: ClientCore, delivery: Delivery<unknown>): boolean {
  if (core.ended) return false;
  // Between two polls nobody else can tell of the disposal.
  if (core.disposed && !core.running) delivery.quit();
  else {
    core.claimed(false, () => {
      try {
        do turn(core, delivery, 1);
        while (core.skipping && !core.ended);
      } catch (value) {
        delivery.fail(value);
      }
    });
  }
  delivery.rethrow();
  return !core.ended;
}

/**
 * One turn of a loop, in a batch of its own, or `most` of which only the last may bring something. Tells
 * whether it was idle.
 */
export function turn(core: ClientCore, delivery: Delivery<unknown>, most: number): boolean {
  const batch = borrowBatch(core.reusesBuffers);
  try {
    return turnInto(core, delivery, batch, most);
  } finally {
    returnBatch(batch);
  }
}

function turnInto(
  core: ClientCore,
  delivery: Delivery<unknown>,
  batch: Batch,
  most: number,
): boolean {
  delivery.poll();
  if (core.ended) return false;
  const result = batch.fill(core.turn, most, 0);
  delivery.deliver(batch, result, core.native);
  const idle = (result & Result.Idle) !== 0;
  if (idle) delivery.idle();
  return idle;
}

function turnByTurn(core: ClientCore, delivery: Delivery<unknown>, batch: Batch): void {
  while (!core.ended) {
    if (!turnInto(core, delivery, batch, 1)) continue;
    while (!core.skipping && !core.native.wait());
  }
}
