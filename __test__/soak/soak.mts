// `npm run soak -- --minutes N [--seed S]`: all clients in all ways to run, under mixed traffic and
// faults, against `ws`. Every message is accounted for, and what the process uses has to stay flat.

import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { hash } from './plan.mjs';
import { print } from './report.mjs';
import { runSoak } from './run.mjs';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? hash(Date.now()) % 1_000_000);
if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
  console.error('--minutes takes a number above 0, --seed a whole number');
  process.exit(1);
}

console.log(`seed ${seed}, ${minutes} minutes`);
const result = await runSoak(seed, minutes * 60_000, console.log);
process.exitCode = print(result) ? 0 : 1;
// Whatever still runs is told by name in the report; it must not keep this process.
await delay(100);
process.exit();
