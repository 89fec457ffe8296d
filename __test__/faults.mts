// A client that exchanges numbered messages through a fault proxy, and what must hold of it whatever
// happens on the way.

import { readdirSync, readlinkSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setImmediate as immediate } from 'node:timers/promises';

import type { ExecutionContext } from 'ava';
import { S9WebSocketError } from 's9-websocket';

import type { Fault, Traffic } from './fault.mjs';
import type { FaultProxy } from './fault-proxy.mjs';
import { Ledger, numbered, type Sizes } from './numbered.mjs';
import { Random, SEED } from './random.mjs';
import { type Options, observed, type React, type Speaker, told, WAYS, type Way } from './ways.mjs';

/** A fault, and what is to come of it. */
export interface Case {
  fault(random: Random): Fault;
  /** How it may end: the last event before `quit`, or `refused` and the code of a failed connect. */
  ends: readonly string[];
  /** Every message comes back all the same. */
  complete?: boolean;
  sizes?: Sizes;
  /** Messages to exchange. */
  count?: number;
  /** Messages on their way at once. */
  window?: number;
  options?(way: Way): Options;
  /** Milliseconds without a message after which the client closes, as an application would. */
  patience?: number;
  /** Nothing answers its Close frame. */
  closesInVain?: boolean;
}

export const COUNT = 16;
const DONE = 'closed 1000 done';
/** The client's own deadline for an answer to its Close frame: where there is none, it passes each time. */
const CLOSE_TIMEOUT = 5_000;
const SHORT_CLOSE_TIMEOUT = 150;
const PINGS_EVERY = 3;

/** Milliseconds. */
const MOST_PATIENCE = 5_000;

/** What the tests of a file share. */
export interface Scene {
  proxy: FaultProxy;
  before: Resources;
}

/** Runs one client through one fault. */
export async function survives(
  t: ExecutionContext,
  { proxy, before }: Scene,
  way: Way,
  tls: boolean,
  given: Case,
): Promise<void> {
  const fault = given.fault(new Random(SEED, t.title));
  const traffic: Traffic = {
    seed: new Random(SEED, t.title, 'traffic').next(),
    sizes: given.sizes ?? 'usual',
  };
  const again = `S9_SEED=${SEED} does it again: ${JSON.stringify({ ...fault, ...traffic })}`;
  const path = await proxy.path(tls, fault, traffic);
  const client = new Client(way, traffic, given);
  const closeTimeout = given.closesInVain ? SHORT_CLOSE_TIMEOUT : CLOSE_TIMEOUT;
  const options = { closeTimeout, ...path.options, ...given.options?.(way) };
  const end = await client.run(t, path.url, options);
  const { hit, overdue, server } = await path.report();
  // A loaded machine may be as silent by itself.
  if (given.patience && given.patience < MOST_PATIENCE && !hit && end === 'closed 1000 null') {
    const patient = { ...given, patience: 4 * given.patience };
    return survives(t, { proxy, before }, way, tls, patient);
  }

  t.true(given.ends.includes(end), `${end}. ${again}`);
  t.is(client.ledger.problem, undefined, again);
  t.is(server?.problem, undefined, again);
  t.true(hit || fault.refused, `the fault did not take place. ${again}`);
  t.false(overdue, `hung past the deadline. ${again}`);
  const { received, pings, pongs } = client.ledger;
  t.true(received <= (server?.received ?? 0) && (server?.received ?? 0) <= client.sent, again);
  if (given.complete) {
    const count = given.count ?? COUNT;
    t.like(client, { sent: count }, again);
    t.like(client.ledger, { received: count }, again);
    t.like(
      server,
      { received: count, pinged: pings, pings: pongs, pongs: pings, closed: '1000 done' },
      again,
    );
  }
  await returned(t, before, again);
}

/** Sends numbered messages, some at a time, and closes once all have come back. */
class Client {
  readonly ledger: Ledger;
  sent = 0;
  #pings = 0;
  #heard = performance.now();
  #speaker: Speaker | undefined;
  #failed = false;
  readonly #way: Way;
  readonly #traffic: Traffic;
  readonly #case: Case;

  constructor(way: Way, traffic: Traffic, given: Case) {
    this.ledger = new Ledger(traffic.seed, traffic.sizes);
    this.#way = way;
    this.#traffic = traffic;
    this.#case = given;
  }

  /** How it ended. */
  async run(t: ExecutionContext, url: string, options: Options): Promise<string> {
    const { patience } = this.#case;
    const isPatient = patience === undefined;
    const lookAtClock = () => {
      if (!isPatient && performance.now() - this.#heard > patience) this.#speaker?.close();
    };
    const timer = isPatient || this.#way.blocksThread ? undefined : setInterval(lookAtClock, 20);
    const onIdle = isPatient || !this.#way.blocksThread ? undefined : lookAtClock;
    const idling = onIdle && this.#way.blocking ? { readTimeout: 20 } : {};
    const way: Way = {
      ...this.#way,
      run: (...given) => this.#way.run(given[0], given[1], given[2], onIdle),
    };
    try {
      const events = await observed(t, way, url, { ...idling, ...options }, this.#react);
      return told(events).at(-2) ?? '';
    } catch (error) {
      if (error instanceof S9WebSocketError) return `refused ${error.code}`;
      throw error;
    } finally {
      clearInterval(timer);
    }
  }

  readonly #react: React = (event, speaker) => {
    this.#heard = performance.now();
    this.#speaker = event.type === 'quit' ? undefined : speaker;
    switch (event.type) {
      case 'textMessage':
        this.ledger.message(Buffer.from(event.data), false);
        break;
      case 'binaryMessage':
        this.ledger.message(event.data, true);
        break;
      case 'ping':
        return this.ledger.ping(event.data);
      case 'pong':
        return this.ledger.pong(event.data);
      case 'activated':
        break;
      default:
        return;
    }
    this.#send(speaker);
  };

  #send(speaker: Speaker): void {
    const { count = COUNT, window = 4 } = this.#case;
    try {
      while (!this.#failed && this.sent < count && this.sent < this.ledger.received + window) {
        const { isBinary, data } = numbered(this.#traffic.seed, this.#traffic.sizes, this.sent);
        if (isBinary) speaker.binary(data);
        else speaker.text(data.toString());
        this.sent++;
        if (this.sent % PINGS_EVERY === 0) speaker.ping(Buffer.from(String(this.#pings++)));
      }
    } catch (error) {
      // A send may be the first to learn of the end; the event that tells of it is still to come.
      this.#failed = true;
      const codes = [
        'ERR_S9_IO',
        'ERR_S9_TLS',
        'ERR_S9_CONNECTION_CLOSED',
        'ERR_S9_CHANNEL_DISCONNECTED',
      ];
      if (!(error instanceof S9WebSocketError && codes.includes(error.code))) throw error;
    }
    if (this.ledger.received === count) speaker.close(1000, 'done');
  }
}

export { DONE };

/** What the process holds; on systems that do not tell, nothing. */
export interface Resources {
  descriptors: number;
  threads: number;
}

/** What the process holds once every way has been run and what is made once has been made. */
export async function resourcesAfterAll(proxy: FaultProxy): Promise<Resources> {
  // Node starts the threads of its pool when the first is needed.
  await stat('.');
  const most = { descriptors: 0, threads: 0 };
  for (const way of [...Object.values(WAYS), ...Object.values(WAYS)]) {
    // Answers come late enough for a client to wait, for which the environment's watcher is made.
    const late: Fault = { at: 'accept', toClient: { kind: 'coalesce', time: 10 } };
    const path = await proxy.path(false, late, { seed: SEED, sizes: 'small' });
    await way.run(path.url, {}, (event, speaker) => {
      if (event.type === 'activated') speaker.close();
    });
    await path.report();
    const { descriptors, threads } = held();
    most.descriptors = Math.max(most.descriptors, descriptors);
    most.threads = Math.max(most.threads, threads);
  }
  return most;
}

function held(): Resources {
  if (process.platform !== 'linux') return { descriptors: 0, threads: 0 };
  const count = (of: string) => readdirSync(`/proc/self/${of}`).length;
  return { descriptors: count('fd'), threads: count('task') };
}

/** What each of them is of. */
function descriptors(): string {
  const names = readdirSync('/proc/self/fd').map(descriptor => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch {
      // The one that this folder was read by.
      return 'closed';
    }
  });
  return names.join(', ');
}

/** Waits until there are no more descriptors and threads than before. */
async function returned(t: ExecutionContext, before: Resources, again: string): Promise<void> {
  const deadline = performance.now() + 5_000;
  let now = held();
  while (now.descriptors > before.descriptors || now.threads > before.threads) {
    if (performance.now() > deadline) break;
    // A client of which nothing is left but the object holds on to the wake-up of its thread.
    globalThis.gc?.();
    await immediate();
    now = held();
  }
  t.true(
    now.descriptors <= before.descriptors,
    `${now.descriptors} descriptors, not ${before.descriptors}: ${descriptors()}. ${again}`,
  );
  t.true(now.threads <= before.threads, `${now.threads} threads, not ${before.threads}. ${again}`);
}
