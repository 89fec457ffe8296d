// Brings times of the native clock onto performance.now()'s.

import { addon } from './native';

/** What to add to a native time: both clocks are monotonic, only their zero differs. */
export const clockOffset: number = measure();

function measure(): number {
  let offset = 0;
  let tightest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 16; round++) {
    const before = performance.now();
    const native = addon.monotonicNow();
    const width = performance.now() - before;
    if (width < tightest) {
      tightest = width;
      // The early end of the bracket: nothing seems to be received in the future.
      offset = before - native;
    }
  }
  return offset;
}
