// The worker thread of one measurement: nothing else runs beside what is measured, and a client that
// is stuck can be terminated.

import { parentPort, workerData } from 'node:worker_threads';

import { type BenchTask, WAYS } from './bench-ways';
import { inWords } from './failure';
import { RoundTrips } from './round-trips';

/** What a worker tells. */
export type BenchResult = { times: Float64Array } | { failure: string };

const task = workerData as BenchTask;
const trips = new RoundTrips(task.measure, task.size, task.milliseconds);
WAYS[task.way](task, trips).then(
  () => {
    const { times } = trips;
    parentPort?.postMessage({ times } satisfies BenchResult, [times.buffer]);
  },
  error => parentPort?.postMessage({ failure: inWords(error) } satisfies BenchResult),
);
