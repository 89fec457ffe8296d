// A lane of the soak: one connection after another, on the main thread or in a worker.

import { setTimeout as delay } from 'node:timers/promises';

import { S9WebSocketError } from 's9-websocket';

import { type Options, WAYS } from '../ways.mjs';
import { Conversation, type Mood, SharedCounts } from './conversation.mjs';
import { type Plan, planOf, STEADY } from './plan.mjs';
import type { ClientRecord, Ports } from './records.mjs';

/** What the lanes of all threads share. */
export const enum Cell {
  /** The number of the next connection. */
  Next = 0,
  NextSteady = 1,
  /** Not 0: start nothing. */
  Paused = 2,
  Stopped = 3,
  /** Counts the calls for a garbage collection, by which clients end that were let go of. */
  Collections = 4,
  Count = 5,
}

export interface Common {
  seed: number;
  ports: Ports;
  ca: string;
  cells: SharedArrayBuffer;
}

export interface LaneOptions {
  /** A way to run; undefined: another one for each connection. */
  way?: string;
  /** Where, for the records. */
  place: string;
  isSteady?: boolean;
  counts: SharedArrayBuffer;
  /** Told before a connection begins, for when this thread does not live to make its record. */
  begun?(id: number, way: string): void;
  /** The plan wants this thread terminated; left out, the client quits instead. */
  terminate?(): void;
  finished(record: ClientRecord): void;
}

/** How long a client whose close is not answered waits. */
const CLOSE_TIMEOUT = 300;
const UNSENT = 4 << 20;
/** Few spin: there are more lanes than processors. */
const WAITS = [null, 1, 5, 20, 20, 100, 1_000, 60_000];

export async function runLane(common: Common, lane: LaneOptions): Promise<void> {
  const cells = new Int32Array(common.cells);
  const is = (cell: Cell) => Atomics.load(cells, cell) !== 0;
  const counts = new SharedCounts(lane.counts);
  let collections = 0;
  const mood = (): Mood => (is(Cell.Stopped) ? 'is over' : is(Cell.Paused) ? 'rests' : 'goes on');
  while (!is(Cell.Stopped)) {
    if (is(Cell.Paused) && !lane.isSteady) {
      if (Atomics.load(cells, Cell.Collections) !== collections) {
        collections = Atomics.load(cells, Cell.Collections);
        globalThis.gc?.();
      }
      await delay(20);
      continue;
    }
    const id = lane.isSteady
      ? STEADY + Atomics.add(cells, Cell.NextSteady, 1)
      : Atomics.add(cells, Cell.Next, 1);
    const plan = planOf(common.seed, id);
    if (plan.ending === 'terminate' && !lane.terminate) plan.ending = 'force-quit';
    const names = Object.keys(WAYS);
    const name = lane.way ?? names[plan.whim % names.length]!;
    const way = lane.place ? `${lane.place} ${name}` : name;
    lane.begun?.(id, way);
    const conversation = new Conversation(plan, counts, mood, () => lane.terminate?.());
    let connected = false;
    let record: ClientRecord;
    try {
      await WAYS[name]!.run(
        urlOf(plan, common.ports),
        optionsOf(plan, common, name),
        (event, to) => {
          connected = true;
          conversation.react(event, to);
        },
      );
      record = conversation.record(way);
    } catch (thrown) {
      record = conversation.record(way, connected ? thrown : conversation.thrown);
      if (!connected) refused(record, thrown);
    }
    lane.finished(record);
    // Once a turn of the event loop, whatever the way: finalizers and messages of ports need it.
    await new Promise(setImmediate);
    if (!connected) await delay(30);
  }
}

function refused(record: ClientRecord, thrown: unknown): void {
  const isOurs = thrown instanceof S9WebSocketError;
  record.violations = isOurs ? [] : [`connecting failed with ${thrown}`];
  record.outcome = `not connected ${isOurs ? thrown.code : ''}`;
  record.failedAt = Date.now();
}

function urlOf({ id, tls, deflate }: Plan, ports: Ports): string {
  const port = tls
    ? deflate
      ? ports.wssDeflate
      : ports.wss
    : deflate
      ? ports.wsDeflate
      : ports.ws;
  return `${tls ? 'wss' : 'ws'}://127.0.0.1:${port}/${id}`;
}

function optionsOf(plan: Plan, { ca }: Common, name: string): Options {
  const { whim } = plan;
  return {
    nodelay: whim % 2 === 0,
    maxBufferedAmount: UNSENT,
    closeTimeout: plan.ending === 'silence' ? CLOSE_TIMEOUT : 15_000,
    connectTimeout: 10_000,
    ...(plan.tls ? { tls: { ca } } : {}),
    ...(plan.deflate ? { perMessageDeflate: true } : {}),
    ...(name.startsWith('blocking')
      ? { writeTimeout: 500, ...(whim % 4 === 0 ? { readTimeout: 5 } : {}) }
      : name.endsWith('_waiting')
        ? {}
        : { spinWaitDuration: WAITS[(whim >> 2) % WAITS.length]! }),
    ...(name === 'async_channels' ? ({ eventCapacity: 1 + ((whim >> 4) % 1_000) } as Options) : {}),
  };
}
