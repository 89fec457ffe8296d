// The client process of the soak: lanes for every way to run on the main thread and in workers, which
// it terminates where the plan says so. What is measured is this process.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

import { WAYS } from '../ways.mjs';
import { SharedCounts } from './conversation.mjs';
import { Cell, type Common, runLane } from './lane.mjs';
import { planOf, STEADY_WAYS } from './plan.mjs';
import type { ClientIsTold, ClientTells, Sample } from './records.mjs';
import type { WorkerTells } from './worker-main.mjs';

const WORKERS = 3;
/** Those that leave the event loop to others; the rest runs in workers. */
const BESIDE = [
  'non_blocking_run',
  'non_blocking_run_waiting',
  'non_blocking_thread',
  'blocking_run',
  'async_channels',
];

const cells = new Int32Array(new SharedArrayBuffer(Cell.Count * Int32Array.BYTES_PER_ELEMENT));
const lanes: Promise<void>[] = [];
/** Connections that are not steady, with what they count. */
const busy = new Map<number, () => string>();
/** Workers that have begun and not ended. */
let ready = 0;
/** A connection that is not over this long after the last began is stuck. */
const STUCK = 15_000;

function tell(what: ClientTells): void {
  process.send?.(what, () => {});
}

function counters(): SharedArrayBuffer {
  return new SharedArrayBuffer(SharedCounts.BYTES);
}

function begun(id: number, way: string, memory: SharedArrayBuffer, seed: number): void {
  const counts = new SharedCounts(memory);
  busy.set(id, () => JSON.stringify({ way, ...counts.all, plan: planOf(seed, id) }));
}

function startMainLanes(common: Common): void {
  for (const way of BESIDE) {
    if (!(way in WAYS)) throw new Error(`there is no way to run ${way}`);
    const counts = counters();
    lanes.push(
      runLane(common, {
        way,
        place: '',
        counts,
        begun: (id, way) => begun(id, way, counts, common.seed),
        finished(record) {
          busy.delete(record.id);
          tell({ kind: 'record', record });
        },
      }),
    );
  }
  for (const way of STEADY_WAYS) {
    lanes.push(
      runLane(common, {
        way,
        place: 'steady',
        isSteady: true,
        counts: counters(),
        finished: record => tell({ kind: 'record', record }),
      }),
    );
  }
}

/** A lane whose worker is replaced whenever it was terminated. */
async function runWorkers(common: Common): Promise<void> {
  while (Atomics.load(cells, Cell.Stopped) === 0) {
    const memory = counters();
    const counts = new SharedCounts(memory);
    const worker = new Worker(new URL('worker-main.mjs', import.meta.url), {
      workerData: { common, counts: memory },
      stderr: false,
    });
    let current: { id: number; way: string } | undefined;
    await new Promise<void>((resolve, reject) => {
      worker.on('error', reject).on('exit', () => resolve());
      worker.on('message', (told: WorkerTells) => {
        if (told.kind === 'ready') ready++;
        else if (told.kind === 'begun') {
          begun(told.id, told.way, memory, common.seed);
          current = told;
        } else if (told.kind === 'finished') {
          busy.delete(told.record.id);
          current = undefined;
          tell({ kind: 'record', record: told.record });
        } else void terminate(worker, current?.way);
      });
    });
    if (!current) continue;
    const { id, way } = current;
    busy.delete(id);
    tell({
      kind: 'record',
      record: {
        id,
        way,
        ending: 'terminate',
        outcome: 'terminated',
        violations: [],
        ...counts.all,
      },
    });
  }
}

async function terminate(worker: Worker, way = 'between connections'): Promise<void> {
  const begun = performance.now();
  await worker.terminate();
  ready--;
  tell({ kind: 'terminated', milliseconds: performance.now() - begun, way });
}

async function pause(): Promise<void> {
  Atomics.store(cells, Cell.Paused, 1);
  const since = performance.now();
  let isTold = false;
  while (busy.size > 0 || ready < WORKERS) {
    await delay(5);
    if (isTold || performance.now() - since < STUCK) continue;
    isTold = true;
    tell({ kind: 'stuck', connections: Array.from(busy.values(), describe => describe()) });
  }
  tell({ kind: 'idle' });
}

/** Has every thread collect: what was let go of without a close ends with that. */
async function collect(): Promise<void> {
  Atomics.add(cells, Cell.Collections, 1);
  await delay(30);
  globalThis.gc?.();
  await delay(10);
  tell({ kind: 'idle' });
}

/** Threads that wait for others, by the name that the core gives them. */
const WATCHER = 's9-watcher';
/** Of the poller of each. */
const WATCHER_DESCRIPTORS = 3;

/**
 * An environment's watcher comes with the first client that waits in its event loop: those of workers
 * that are young come and go, and are left out.
 */
function watchers(): number {
  return readdirSync('/proc/self/task').filter(thread => {
    try {
      return readFileSync(`/proc/self/task/${thread}/comm`, 'latin1').trim() === WATCHER;
    } catch {
      // Ended while being looked at.
      return false;
    }
  }).length;
}

/** Memory that no file is behind: what is mapped of Node comes and goes as the system likes. */
function anonymous(): number {
  const status = readFileSync('/proc/self/status', 'latin1');
  const kilobytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
  return (kilobytes('RssAnon') + kilobytes('VmSwap')) * 1024;
}

function sample(): Omit<Sample, 'at'> {
  const { rss, heapUsed, external } = process.memoryUsage();
  const isLinux = process.platform === 'linux';
  const count = (what: string) => (isLinux ? readdirSync(`/proc/self/${what}`).length : 0);
  const watching = isLinux ? watchers() : 0;
  return {
    resident: isLinux ? anonymous() : rss,
    heap: heapUsed,
    external,
    descriptors: count('fd') - watching * WATCHER_DESCRIPTORS,
    threads: count('task') - watching,
  };
}

async function stop(): Promise<void> {
  Atomics.store(cells, Cell.Stopped, 1);
  Atomics.store(cells, Cell.Paused, 0);
  await Promise.all(lanes);
  tell({ kind: 'done' });
  process.disconnect();
}

process.on('message', (told: ClientIsTold) => {
  switch (told.kind) {
    case 'start': {
      const common = { ...told, cells: cells.buffer as SharedArrayBuffer };
      startMainLanes(common);
      for (let worker = 0; worker < WORKERS; worker++) lanes.push(runWorkers(common));
      break;
    }
    case 'pause':
      return void pause();
    case 'collect':
      return void collect();
    case 'sample':
      return tell({ kind: 'sample', sample: sample() });
    case 'resume':
      Atomics.store(cells, Cell.Paused, 0);
      break;
    default:
      void stop();
  }
});
