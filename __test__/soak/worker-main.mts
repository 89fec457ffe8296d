// A worker thread of the soak's client process: a lane in which every way to run takes its turn.

import { parentPort, workerData } from 'node:worker_threads';

import { type Common, runLane } from './lane.mjs';
import type { ClientRecord } from './records.mjs';

/** What a worker tells the main thread. */
export type WorkerTells =
  | { kind: 'ready' }
  | { kind: 'begun'; id: number; way: string }
  | { kind: 'terminate' }
  | { kind: 'finished'; record: ClientRecord };

const { common, counts } = workerData as { common: Common; counts: SharedArrayBuffer };
const tell = (what: WorkerTells) => parentPort?.postMessage(what);

tell({ kind: 'ready' });
await runLane(common, {
  place: 'worker',
  counts,
  begun: (id, way) => tell({ kind: 'begun', id, way }),
  terminate: () => tell({ kind: 'terminate' }),
  finished: record => tell({ kind: 'finished', record }),
});
