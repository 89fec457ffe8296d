// `npm run differential -- --streams 10000 --seed 1`: what `differential.test.mts` does with more streams,
// and the core by itself, which is given each in several pieces.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';

import { DIFFERENCES, difference, type Outcome, StreamServer } from './differential.mjs';
import { stream } from './differential-streams.mjs';
import { SEED } from './random.mjs';
import { WAYS } from './ways.mjs';

const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '10000' },
    seed: { type: 'string', default: String(SEED) },
  },
});
const [streams, seed] = [Number(values.streams), Number(values.seed)];
let faults = 0;

function fault(name: string, number: number, text: string): void {
  faults++;
  console.log(`✘ ${name}, stream ${number} of seed ${seed}: ${text}`);
}

async function timed(name: string, work: () => Promise<void>): Promise<void> {
  const [begun, before] = [performance.now(), faults];
  await work();
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(`${faults === before ? '✔' : '✘'} ${name.padEnd(26)} ${seconds.padStart(6)} s`);
}

/** A line for each stream. */
async function core(): Promise<string[]> {
  const args = ['run', '--quiet', '--package', 's9-websocket-core', '--example', 'event_logs'];
  const child = spawn('cargo', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  // What ails it is told by its exit code.
  child.stdin.on('error', () => {});
  for (let number = 0; number < streams; number++) {
    const { bytes } = stream(seed, number);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    if (!child.stdin.write(Buffer.concat([length, bytes]))) {
      await Promise.race([new Promise(go => child.stdin.once('drain', go)), ended]);
    }
  }
  child.stdin.end();
  const [code] = await ended;
  if (code !== 0)
    fault('core', printed.split('\n').length - 1, 'it depends on the pieces, or worse');
  return printed.trimEnd().split('\n');
}

const server = await StreamServer.start();
const outcomes: Outcome[] = [];
for (const name of Object.keys(WAYS)) {
  await timed(name, async () => {
    for (let number = 0; number < streams; number++) {
      const outcome = await server.through(name, seed, number);
      outcomes[number] ??= outcome;
      const [first, now] = [JSON.stringify(outcomes[number]), JSON.stringify(outcome)];
      if (first !== now) fault(name, number, `${now}, at first ${first}`);
    }
  });
}
await timed('core', async () => {
  for (const [number, line] of (await core()).entries()) {
    const { delivered, end, sent } = outcomes[number] as Outcome;
    const expected = ['activated', ...delivered, end, 'quit', ...sent].join();
    if (line !== expected) fault('core', number, `${line}, in Node ${expected}`);
  }
});
const differences = new Map(DIFFERENCES.map(({ name }) => [name, 0]));
await timed('ws', async () => {
  for (const [number, outcome] of outcomes.entries()) {
    try {
      const { bytes } = stream(seed, number);
      const name = difference(bytes, outcome, await server.throughWs(seed, number));
      if (name) differences.set(name, (differences.get(name) ?? 0) + 1);
    } catch (error) {
      fault('ws', number, (error as Error).message);
    }
  }
});
server.stop();

const ends = new Map<string, number>();
for (const { end } of outcomes) {
  const kind = end.startsWith('closed') ? 'closed' : end;
  ends.set(kind, (ends.get(kind) ?? 0) + 1);
}
console.log(`\n${streams} streams of seed ${seed}; they end in`);
for (const [end, count] of ends) console.log(`${String(count).padStart(8)} ${end}`);
console.log('differences from ws:');
for (const [name, count] of differences) console.log(`${String(count).padStart(8)} ${name}`);
if (faults > 0) process.exitCode = 1;
