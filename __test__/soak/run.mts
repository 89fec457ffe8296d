// Runs the soak: starts server and client process, makes the pauses in which is measured, restarts
// the server, and gathers what both tell.

import { type ChildProcess, fork } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Evidence } from './judge.mjs';
import { hash, STEADY, STEADY_WAYS } from './plan.mjs';
import type {
  ClientIsTold,
  ClientRecord,
  ClientTells,
  Sample,
  ServerIsTold,
  ServerRecord,
  ServerTells,
  Termination,
} from './records.mjs';

export interface SoakResult {
  evidence: Evidence;
  samples: Sample[];
  terminations: Termination[];
  /** What went wrong outside of any connection. */
  troubles: string[];
  seconds: number;
}

/** Some connections come to their end in between, and enough samples come together. */
const SAMPLES = 60;
const SHORTEST_PAUSE = 1_500;
const RESTART_EVERY = 8_000;
/** Whatever takes longer than this hangs. */
const HANGS = 30_000;
/** Connections that end by collection take a while. */
const COLLECTIONS = 100;

class Part<Tells extends { kind: string }, IsTold extends object> {
  readonly process: ChildProcess;
  readonly #told = new EventEmitter();
  stderr = '';

  constructor(main: string, args: string[]) {
    const path = fileURLToPath(new URL(main, import.meta.url));
    // Collections are many here, and their threads would only take the processors from each other.
    // Those of young objects keep from none to 48 MiB a thread, as it happens: more than is looked for.
    const execArgv = ['--expose-gc', '--single-threaded-gc', '--max-semi-space-size=1'];
    // glibc gives threads arenas and keeps what was freed in them, after some minutes 100 MiB of which
    // nothing is in use. With one the resident memory tells what is held.
    const env = { ...process.env, MALLOC_ARENA_MAX: '1' };
    this.process = fork(path, args, { env, execArgv, stdio: [0, 1, 'pipe', 'ipc'] });
    this.process.on('message', (what: Tells) => this.#told.emit(what.kind, what));
    this.process.stderr?.setEncoding('utf8').on('data', text => {
      this.stderr += text;
    });
  }

  tell(what: IsTold): void {
    if (this.process.connected) this.process.send(what, () => {});
  }

  on<Kind extends Tells['kind']>(kind: Kind, hear: (what: Tells & { kind: Kind }) => void): void {
    this.#told.on(kind, hear);
  }

  async hear<Kind extends Tells['kind']>(kind: Kind): Promise<Tells & { kind: Kind }> {
    try {
      const [what] = await once(this.#told, kind, { signal: AbortSignal.timeout(HANGS) });
      return what;
    } catch (error) {
      throw new Error(`nothing told of ${kind} for ${HANGS} ms`, { cause: error });
    }
  }
}

export async function runSoak(
  seed: number,
  milliseconds: number,
  say: (line: string) => void,
): Promise<SoakResult> {
  const begun = performance.now();
  const elapsed = () => performance.now() - begun;
  const server = new Part<ServerTells, ServerIsTold>('server-main.mjs', [String(seed)]);
  const client = new Part<ClientTells, ClientIsTold>('client-main.mjs', []);
  const clients: ClientRecord[] = [];
  const servers: ServerRecord[] = [];
  const restarts: { from: number; to: number }[] = [];
  const samples: Sample[] = [];
  const terminations: Termination[] = [];
  const troubles: string[] = [];
  server.on('record', ({ record }) => servers.push(record));
  server.on('restarted', restart => restarts.push(restart));
  client.on('record', ({ record }) => clients.push(record));
  client.on('terminated', told => terminations.push(told));
  client.on('stuck', ({ connections }) => {
    troubles.push(`a pause waited long for\n    ${connections.join('\n    ')}`);
  });
  const clientEnd = once(client.process, 'exit');

  /**
   * Waits until the steady connections alone are open, and all of them; which others are left. Those
   * let go of without a close need a collection.
   */
  async function emptied(): Promise<number[]> {
    let ids: number[] = [];
    for (let turn = 0; turn < COLLECTIONS; turn++) {
      client.tell({ kind: 'collect' });
      await client.hear('idle');
      server.tell({ kind: 'open' });
      ({ ids } = await server.hear('open'));
      const open = ids.length;
      ids = ids.filter(id => id < STEADY);
      if (ids.length === 0 && open === STEADY_WAYS.length) break;
      await delay(50);
    }
    return ids;
  }

  async function pause(): Promise<void> {
    client.tell({ kind: 'pause' });
    await client.hear('idle');
    const left = await emptied();
    for (const id of left) {
      const { way, outcome } = clients.find(record => record.id === id) ?? {};
      troubles.push(`connection ${id} never ended: ${way ?? 'of nobody'}, ${outcome ?? 'running'}`);
    }
    client.tell({ kind: 'sample' });
    const { sample } = await client.hear('sample');
    samples.push({ at: elapsed() / 1_000, ...sample });
    say(line(samples.at(-1)!, clients.length));
  }

  async function soak(): Promise<void> {
    const { ports, ca } = await server.hear('listening');
    client.tell({ kind: 'start', seed, ports, ca });
    const between = Math.max(SHORTEST_PAUSE, milliseconds / SAMPLES);
    let nextRestart = elapsed() + RESTART_EVERY / 2;
    while (elapsed() < milliseconds) {
      const until = elapsed() + between;
      while (elapsed() < until) {
        await delay(Math.min(100, between));
        if (elapsed() < nextRestart) continue;
        nextRestart = elapsed() + RESTART_EVERY / 2 + (hash(seed, restarts.length) % RESTART_EVERY);
        server.tell({ kind: 'restart' });
        await server.hear('restarted');
      }
      await pause();
      client.tell({ kind: 'resume' });
    }
    client.tell({ kind: 'pause' });
    await client.hear('idle');
    client.tell({ kind: 'stop' });
    await client.hear('done');
    const [code, signal] = await clientEnd;
    if (code !== 0) troubles.push(`the client process ended with ${code ?? signal}`);
    server.tell({ kind: 'open' });
    const { ids } = await server.hear('open');
    if (ids.length > 0) troubles.push(`left open: ${ids.join(', ')}`);
  }

  let isOver = false;
  const crashed = Promise.race([clientEnd, once(server.process, 'exit')]).then(
    async ([code, signal]) => {
      // What it printed is still to come.
      await delay(500);
      if (!isOver) throw new Error(`a process ended with ${code ?? signal}`);
    },
  );
  try {
    await Promise.race([soak().then(() => (isOver = true)), crashed]);
  } catch (error) {
    troubles.push(String(error));
  }
  isOver = true;
  const seconds = elapsed() / 1_000;
  server.tell({ kind: 'stop' });
  client.process.kill('SIGKILL');
  for (const [name, part] of Object.entries({ server, client })) {
    if (part.stderr !== '') troubles.push(`the ${name} process printed\n${part.stderr}`);
  }
  return {
    evidence: { seed, clients, servers, restarts },
    samples,
    terminations,
    troubles,
    seconds,
  };
}

const MIB = 2 ** 20;

function line(sample: Sample, connections: number): string {
  const { at, resident, heap, external, descriptors, threads } = sample;
  const memory = [resident, heap, external].map(bytes => (bytes / MIB).toFixed(1)).join(' / ');
  return `${at.toFixed(0).padStart(5)} s  ${connections} connections  resident / heap / external ${memory} MiB  ${descriptors} descriptors  ${threads} threads`;
}
