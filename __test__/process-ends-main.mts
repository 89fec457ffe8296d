// How long each end takes in each state of a client, one process at a time: a table to read.
// `node __test__/dist/process-ends-main.mjs [--times 5] [STATE …]`, on a machine with nothing else to do.

import { parseArgs } from 'node:util';

import { EchoServer } from 's9-websocket/testing';

import { now, runChild } from './child-process.mjs';
import { KINDS_OF_STATES } from './peers-of-states.mjs';

/** A process that only waits: what Node itself takes. */
const NONE = 'without_a_client';
/** These block before the end could come from inside. */
const BLOCKS = /^(async_recv_sync|async_join_sync|connecting(_tcp)?_sync(_without_end)?)$/;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const FROM_INSIDE = ['exit', 'throw'] as const;

const { values, positionals } = parseArgs({
  options: { times: { type: 'string', default: '5' } },
  allowPositionals: true,
});
const times = Number(values.times);

async function fromInside(state: string, url: string, how: string): Promise<number> {
  let ended = 0;
  const onExit = () => {
    ended = now();
  };
  const { lines } = await runChild('end-in-state', [state, url, how], { onExit });
  return ended - Number(lines[0]);
}

async function bySignal(state: string, url: string, signal: NodeJS.Signals): Promise<number> {
  let [killed, ended] = [0, 0];
  await runChild('end-in-state', [state, url, 'signal'], {
    onLine(_, kill) {
      killed = now();
      kill(signal);
    },
    onExit: () => {
      ended = now();
    },
  });
  return ended - killed;
}

async function terminated(state: string, url: string): Promise<number[]> {
  const echo = await EchoServer.start();
  const { lines } = await runChild('terminate-in-state', [state, url, echo.url]);
  await echo.close();
  return JSON.parse(lines.join('')).times;
}

/** Median and most, in milliseconds. */
function cell(took: number[]): string {
  if (took.length === 0) return '–';
  const sorted = took.toSorted((one, other) => one - other);
  const median = sorted[sorted.length >> 1] as number;
  return `${median.toFixed(0)} / ${(sorted.at(-1) as number).toFixed(0)}`;
}

async function row(state: string, url: string): Promise<void> {
  const cells: string[] = [];
  for (const how of FROM_INSIDE) {
    const took: number[] = [];
    for (let turn = 0; turn < times && !BLOCKS.test(state); turn++) {
      took.push(await fromInside(state, url, how));
    }
    cells.push(cell(took));
  }
  for (const signal of SIGNALS) {
    const took: number[] = [];
    for (let turn = 0; turn < times; turn++) took.push(await bySignal(state, url, signal));
    cells.push(cell(took));
  }
  cells.push(cell(await terminated(state, url)));
  const [name, ...rest] = [state.padEnd(28), ...cells.map(text => text.padStart(10))];
  console.log(`| ${[name, ...rest].join(' | ')} |`);
}

const columns = [...FROM_INSIDE, ...SIGNALS, 'terminate'].map(name => name.padStart(10));
console.log(`| ${['median / most, ms'.padEnd(28), ...columns].join(' | ')} |`);
console.log(`| ${['-'.repeat(28), ...columns.map(() => `${'-'.repeat(9)}:`)].join(' | ')} |`);
const isWanted = (state: string) => positionals.length === 0 || positionals.includes(state);
if (isWanted(NONE)) await row(NONE, '');
for (const { states, start } of KINDS_OF_STATES) {
  const wanted = Object.keys(states).filter(isWanted);
  if (wanted.length === 0) continue;
  const peer = await start();
  for (const state of wanted) await row(state, peer.url);
  await peer.close();
}
