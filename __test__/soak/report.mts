// The figures of a soak and the verdict.

import { violations } from './judge.mjs';
import type { Counts, Sample } from './records.mjs';
import type { SoakResult } from './run.mjs';
import { type Trend, trendOf } from './trend.mjs';

/** The first of the samples, in which allocators find their sizes: a minute or two. */
const WARM_UP = 1 / 5;
/** Fewer tell nothing. */
const LEAST = 8;
/** A slope is one if it is this many standard errors above its limit: by chance in one of 700 runs. */
const SURE = 3;

const MIB = 2 ** 20;

interface Limit {
  name: string;
  of(sample: Sample): number;
  /** The most growth an hour that is none. */
  limit: number;
  unit: number;
}

/**
 * Per hour, in which two processors run 50,000 to 250,000 connections. 20 MiB are 400 bytes for each at
 * most, less than any object of a client. Resident memory differs by some 4 MiB from one sample to the
 * next, so that ten minutes tell no less than 50 MiB; a leak of one batch for each handler that threw was
 * 115. Descriptors and threads are the same in each sample: 10 are one lost by 5,000 connections.
 */
const LIMITS: readonly Limit[] = [
  { name: 'resident memory', of: sample => sample.resident, limit: 50 * MIB, unit: MIB },
  { name: 'JavaScript heap', of: sample => sample.heap, limit: 20 * MIB, unit: MIB },
  { name: 'buffers', of: sample => sample.external, limit: 20 * MIB, unit: MIB },
  { name: 'descriptors', of: sample => sample.descriptors, limit: 10, unit: 1 },
  { name: 'threads', of: sample => sample.threads, limit: 10, unit: 1 },
];

/** Prints a summary; whether everything held. */
export function print({ evidence, samples, terminations, troubles, seconds }: SoakResult): boolean {
  const { clients, servers, restarts } = evidence;
  const total = (records: readonly Counts[], name: keyof Counts) =>
    records.reduce((sum, record) => sum + record[name], 0);
  console.log(
    `\n${seconds.toFixed(0)} s, ${clients.length} connections, ${restarts.length} restarts`,
  );
  console.table({
    'to the server': {
      sent: total(clients, 'sent'),
      received: total(servers, 'received'),
      pings: total(clients, 'pingsSent'),
      pongs: total(clients, 'pongsReceived'),
    },
    'to the client': {
      sent: total(servers, 'sent'),
      received: total(clients, 'received'),
      pings: total(servers, 'pingsSent'),
      pongs: total(servers, 'pongsReceived'),
    },
  });
  console.table(
    counted(clients.map(({ ending, outcome, way }) => [`${ending}: ${outcome}`, kind(way)])),
  );
  if (terminations.length > 0) {
    const sorted = terminations.toSorted((one, other) => one.milliseconds - other.milliseconds);
    const at = (part: number) =>
      sorted[Math.floor((sorted.length - 1) * part)]!.milliseconds.toFixed(1);
    console.log(`worker.terminate(): median ${at(0.5)} ms, p99 ${at(0.99)} ms`);
    const longest = sorted.slice(-5).map(it => `${it.milliseconds.toFixed(0)} ms ${it.way}`);
    console.log(`  the longest: ${longest.reverse().join(', ')}`);
  }
  const isFlat = printTrends(samples);
  const found = [...troubles, ...violations(evidence)];
  for (const what of found.slice(0, 50)) console.log(`✘ ${what}`);
  if (found.length > 0) console.log(`${found.length} violations; seed ${evidence.seed}`);
  const passed = isFlat && found.length === 0;
  console.log(passed ? '\n✔ soak' : `\n✘ soak, seed ${evidence.seed}`);
  return passed;
}

function kind(way: string): string {
  return way.startsWith('worker') ? 'workers' : way.startsWith('steady') ? 'steady' : way;
}

/** A table of how often each row and column came together. */
function counted(pairs: readonly (readonly [string, string])[]) {
  const table: Record<string, Record<string, number>> = {};
  for (const [row, column] of pairs.toSorted()) {
    table[row] ??= {};
    table[row][column] = (table[row][column] ?? 0) + 1;
  }
  return table;
}

const HOUR = 3_600;

function printTrends(samples: readonly Sample[]): boolean {
  const settled = samples.slice(Math.ceil(samples.length * WARM_UP));
  if (settled.length < LEAST) {
    console.log(`${settled.length} samples after the first: too few for a slope`);
    return true;
  }
  let passed = true;
  const rows: Record<string, Record<string, string>> = {};
  for (const { name, of, limit, unit } of LIMITS) {
    const trend = trendOf(settled.map(sample => ({ x: sample.at / HOUR, y: of(sample) })));
    const isFlat = flat(trend, limit);
    passed &&= isFlat;
    const digits = unit === 1 ? 0 : 1;
    const values = settled.map(of);
    const shown = (value: number) => (value / unit).toFixed(digits);
    rows[unit === MIB ? `${name}, MiB` : name] = {
      least: shown(Math.min(...values)),
      most: shown(Math.max(...values)),
      'an hour': `${shown(trend.slope)} ± ${shown(trend.error)}`,
      limit: shown(limit),
      verdict: !isFlat ? 'GROWS' : SURE * trend.error > limit ? 'too short to tell' : 'flat',
    };
  }
  console.table(rows);
  return passed;
}

/** Whether growth beyond the limit is not sure. */
export function flat({ slope, error }: Trend, limit: number): boolean {
  return slope - SURE * error <= limit;
}
