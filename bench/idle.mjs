// What clients cost that have nothing to do: memory and threads of idle connections, and empty turns.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { here } from './peers.mjs';
import { printScenario } from './table.mjs';

const WAYS = [
  { name: 's9 run, waiting', module: 's9', way: 's9 run, waiting' },
  { name: 's9 thread', module: 's9', way: 's9 thread' },
  { name: 's9 async', module: 's9', way: 's9 async' },
  { name: 'ws', module: 'ws', way: 'ws' },
];

/** How these two are measured, for those who read the results. */
export const SETTINGS = {
  connections:
    'each client and number of connections once, in this order, in a process of its own on processors 0 and 1; a server that sleeps, not pinned',
  turn: 'client and server, which sleeps, in one process pinned to processor 1; 400 rounds of 1,000 turns, once',
};

/** Memory, threads, descriptors and processor time of 1, 100 and 1,000 connections that bring nothing. */
export async function idleConnections({ measure }) {
  const server = spawn(process.execPath, [join(here, 'idle-server.mjs')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [url] = await once(createInterface(server.stdout), 'line');
  const results = [];
  for (const count of [1, 100, 1000]) {
    const clients = {};
    for (const { name, module, way } of WAYS) {
      const task = JSON.stringify({ module, way, url, count });
      const command = [process.execPath, '--expose-gc', join(here, 'connections.mjs'), task];
      clients[name] = await measure('0,1', command);
    }
    const title = `${count} idle connections: growth for each, and processor time of all`;
    results.push({ title, reference: ['ws'], clients });
    print(title, clients);
  }
  server.stdin.end();
  return results;
}

/** Nanoseconds of a turn that finds nothing. */
export async function idleTurn({ measure }) {
  const clients = { 's9 poll': await measure('1', [process.execPath, join(here, 'turn.mjs')]) };
  const result = { title: 'an empty turn', unit: 'ns', reference: [], clients };
  printScenario(result);
  return [result];
}

function print(title, clients) {
  console.log(`\n${title}`);
  for (const [name, { memory, threads, descriptors, processor }] of Object.entries(clients)) {
    const kib = `${(memory / 1024).toFixed(1)} KiB`.padStart(12);
    const percent = `${(processor * 100).toFixed(2)} % of a processor in all`;
    console.log(
      `${name.padEnd(18)}${kib}  ${threads} threads  ${descriptors} descriptors  ${percent}`,
    );
  }
}
