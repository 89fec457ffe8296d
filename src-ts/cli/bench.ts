// `s9ws bench`: round trips of every client with a server, one client at a time.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

import { EchoServer } from '../testing';
import { histogram, type Measured, table } from './bench-report';
import { type BenchTask, WAYS, type WayName } from './bench-ways';
import type { BenchResult } from './bench-worker';
import type { BenchCommand } from './command';
import { connectionOptions } from './connecting-options';
import { Distribution, SHARES } from './distribution';
import { ExitCode } from './exit-code';
import { errorCode, exitCodeOf, inFull } from './failure';
import type { Output } from './output';
import { connectPeer } from './peer';
import { Progress } from './progress';
import { RoundTrips } from './round-trips';
import { shownUrl } from './shown-url';
import { drawChart } from './svg-chart';
import { UsageError } from './usage-error';

/** Each client comes once a round, so that a disturbance does not hit one of them alone. */
const ROUNDS = 3;
/** Milliseconds for the first answer; a server that sends none back is no echo server. */
const FIRST_ANSWER = 5000;
/** Milliseconds that a client may take longer than it should before it counts as stuck. */
const STUCK = 30_000;

/** Resolves with the exit code. */
export async function bench(command: BenchCommand, output: Output): Promise<number> {
  const options = connectionOptions(command.connecting);
  const server = command.url === undefined ? await EchoServer.start({ tls: command.tls }) : null;
  if (server?.ca) options.tls = { ca: server.ca, ...options.tls };
  const url = command.url ?? (server as EchoServer).url;
  const { measure, size } = command;
  const milliseconds = command.duration / ROUNDS;
  const ws = findWs();
  const ways = waysOf(command, ws);
  try {
    await firstAnswer({ url, options, measure, size });
    const task = { url, options, measure, size, milliseconds, ws };
    const measured = await measureAll(ways, task);
    const title = `${shownUrl(url)}, ${measure}, ${size} bytes there and back`;
    if (command.json) for (const row of measured) output.line(inJson(row, command, url));
    else {
      for (const line of [title, '', ...table(measured, output.paint)]) output.line(line);
      for (const line of ['', ...histogram(measured, output.paint)]) output.line(line);
      if (!ws && command.contenders.includes('ws')) output.note('ws is not installed here');
    }
    if (command.svg !== undefined) writeChart(command.svg, drawChart(title, measured));
    return ExitCode.Done;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    output.note(output.paintNote('red', `s9ws: ${inFull(error)}`));
    return error instanceof Interrupted ? ExitCode.Failed : exitCodeOf(error);
  } finally {
    await server?.close();
  }
}

/** A connection that had begun did not come to its end. */
class Interrupted extends Error {}

function waysOf({ contenders }: BenchCommand, ws: string | undefined): WayName[] {
  const all = Object.keys(WAYS) as WayName[];
  const wanted = all.filter(way =>
    contenders.some(name => way === name || way.startsWith(`${name}, `)),
  );
  if (ws || contenders.length > 1) return ws ? wanted : wanted.filter(way => way !== 'ws');
  if (contenders[0] === 'ws')
    throw new UsageError('ws is not installed, neither here nor with s9ws');
  return wanted;
}

/** From where the user is, then beside this package. */
function findWs(): string | undefined {
  for (const from of [join(process.cwd(), 'package.json'), __filename]) {
    try {
      return createRequire(from).resolve('ws');
    } catch {}
  }
  return undefined;
}

/** Connects once, to fail early and in full, and to know that answers come. */
async function firstAnswer(task: Pick<BenchTask, 'url' | 'options' | 'measure' | 'size'>) {
  const peer = await connectPeer('async', task.url, task.options);
  const trips = new RoundTrips(task.measure, task.size, 0);
  let failure: unknown = new Interrupted(
    task.measure === 'ping'
      ? `no pong within ${FIRST_ANSWER / 1000} s`
      : `no answer within ${FIRST_ANSWER / 1000} s: is it an echo server? --measure ping needs none`,
  );
  const timer = setTimeout(() => peer.forceQuit(), FIRST_ANSWER);
  await peer.run(event => {
    if (event.type === 'activated') {
      if (task.measure === 'ping') peer.ping(trips.bytes());
      else peer.send(task.measure === 'text' ? trips.text() : trips.bytes());
    } else if (event.type === 'error') failure = new Interrupted(inFull(event.error));
    else if (event.type === 'connectionClosed' && failure) {
      failure = new Interrupted(`the server closed the connection: ${event.code}`);
    } else if ('data' in event && event.type !== 'ping' && trips.answer(event.data)) {
      failure = undefined;
      peer.close();
    }
    return undefined;
  });
  clearTimeout(timer);
  if (failure) throw failure;
}

async function measureAll(
  ways: readonly WayName[],
  task: Omit<BenchTask, 'way'>,
): Promise<Measured[]> {
  const rounds = new Map(ways.map(way => [way, [] as Float64Array[]]));
  const progress = new Progress(ROUNDS * ways.length * task.milliseconds);
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      // Every other round backwards: none of them is always behind the same one.
      for (const way of round % 2 === 1 ? ways : [...ways].reverse()) {
        progress.begin(`${way}, round ${round} of ${ROUNDS}`, task.milliseconds);
        rounds.get(way)?.push(await measureOnce({ ...task, way }));
      }
    }
  } finally {
    progress.end();
  }
  return [...rounds].map(([way, times]) => ({ way, times: new Distribution(times) }));
}

async function measureOnce(task: BenchTask): Promise<Float64Array> {
  const worker = new Worker(join(__dirname, 'bench-worker.js'), { workerData: task });
  const signal = AbortSignal.timeout(Math.ceil(task.milliseconds) + STUCK);
  try {
    const [result] = (await once(worker, 'message', { signal })) as [BenchResult];
    if ('failure' in result) throw new Interrupted(`${task.way}: ${result.failure}`);
    if (result.times.length === 0) throw new Interrupted(`${task.way}: no answer in time`);
    return result.times;
  } catch (error) {
    if (signal.aborted) throw new Interrupted(`${task.way}: it is stuck`);
    throw error;
  } finally {
    await worker.terminate();
  }
}

/** Times are in microseconds. */
function inJson({ way, times }: Measured, { measure, size }: BenchCommand, url: string): string {
  const figures = SHARES.map(([name, share]) => [name, Number(times.at(share).toFixed(3))]);
  const { count } = times;
  return JSON.stringify({
    url: shownUrl(url),
    measure,
    size,
    way,
    count,
    ...Object.fromEntries(figures),
  });
}

function writeChart(path: string, chart: string): void {
  try {
    writeFileSync(path, chart);
  } catch (error) {
    throw new UsageError(`--svg: ${JSON.stringify(path)} cannot be written: ${errorCode(error)}`);
  }
}
