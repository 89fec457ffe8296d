// The suite's verdict of each client and case, held against `expected-results.json`, and a summary to read.

import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { reports } from './suite.mjs';

const EXPECTED = join(dirname(fileURLToPath(import.meta.url)), 'expected-results.json');

/** From good to bad; what is not named is worse than all of them. */
const RANKS = ['OK', 'NON-STRICT', 'INFORMATIONAL', 'UNIMPLEMENTED', 'UNCLEAN', 'WRONG CODE'];
const MISSING = ['MISSING', 'MISSING', null];

const rank = verdict => (RANKS.includes(verdict) ? RANKS.indexOf(verdict) : RANKS.length);

/** `[verdict, verdict of the closing, close code that the client sent]` */
function got({ verdicts }, id) {
  const verdict = verdicts[id];
  if (verdict === undefined) return MISSING;
  return [verdict.behavior, verdict.behaviorClose, verdict.remoteCloseCode];
}

const isSame = (one, other) => one.every((value, index) => value === other[index]);
const say = ([behavior, close, code]) =>
  `${behavior}, closing ${close} with ${code ?? 'no close code'}`;

function isWorse([behavior, close, code], [wantedBehavior, wantedClose, wantedCode]) {
  return (
    rank(behavior) > rank(wantedBehavior) ||
    rank(close) > rank(wantedClose) ||
    // A better verdict may come with a code of its own.
    (behavior === wantedBehavior && code !== wantedCode)
  );
}

/** What is expected of every client, by case. */
function readExpected() {
  return JSON.parse(readFileSync(EXPECTED, 'utf8'));
}

/** Every case in which a client is not what is expected. */
export function compare(cases, results) {
  const expected = readExpected();
  const deviations = cases.flatMap(id => {
    const wanted = expected[id] ?? ['OK', 'OK', 1000];
    return results.map(result => ({
      id,
      name: result.client.name,
      got: got(result, id),
      wanted,
    }));
  });
  const differing = deviations.filter(({ got, wanted }) => !isSame(got, wanted));
  return {
    worse: differing.filter(({ got, wanted }) => isWorse(got, wanted)),
    better: differing.filter(({ got, wanted }) => !isWorse(got, wanted)),
  };
}

/** Whether every client came to its end and has a verdict of every case. */
export function isComplete(cases, results) {
  return results.every(
    ({ failures, verdicts }) => failures.length === 0 && cases.every(id => verdicts[id]),
  );
}

/** Expects from now on what the suite said; where clients differ, the worst of it. */
export function update(cases, results) {
  const expected = readExpected();
  for (const id of cases) {
    expected[id] = results
      .map(result => got(result, id))
      .reduce((worst, one) => (isWorse(one, worst) ? one : worst));
  }
  const lines = Object.keys(expected)
    .sort(byNumbers)
    .map(id => `  "${id}": ${JSON.stringify(expected[id]).replaceAll(',', ', ')}`);
  writeFileSync(EXPECTED, `{\n${lines.join(',\n')}\n}\n`);
}

function byNumbers(one, other) {
  const [a, b] = [one, other].map(id => id.split('.').map(Number));
  const at = a.findIndex((number, index) => number !== b[index]);
  return a[at] - b[at];
}

/** Prints the counts of each client and all that is not plainly OK; whether nothing got worse. */
export function print(cases, results, { worse, better }) {
  printCounts(cases, results);
  printDeviations(cases, results);
  for (const { id, name, got, wanted } of better) {
    console.log(`better  ${id} ${name}: ${say(got)}; expected ${say(wanted)}`);
  }
  if (better.length > 0) console.log('`npm run conformance -- --update` expects that from now on');
  for (const { id, name, got, wanted } of worse) {
    console.log(`WORSE   ${id} ${name}: ${say(got)}; expected ${say(wanted)}`);
  }
  const failed = results.filter(({ failures }) => failures.length > 0);
  for (const { client, failures } of failed) {
    console.log(`FAILED  ${client.name}: a process ended with ${failures.join(', ')}`);
  }
  console.log(`\nreports: ${reports}`);
  const count = worse.length + failed.length;
  console.log(`${cases.length * results.length - worse.length} passed, ${count} failed`);
  return count === 0;
}

function printCounts(cases, results) {
  const behaviors = results.map(result => cases.map(id => got(result, id)[0]));
  const columns = [...new Set(behaviors.flat())].sort((one, other) => rank(one) - rank(other));
  console.log([''.padEnd(22), ...columns.map(column => column.padStart(13))].join(' '));
  for (const [at, { client }] of results.entries()) {
    const counts = columns.map(
      column => behaviors[at].filter(behavior => behavior === column).length,
    );
    console.log(
      [client.name.padEnd(22), ...counts.map(count => `${count}`.padStart(13))].join(' '),
    );
  }
}

/** Cases that are not plainly OK, with the clients of which that is true. */
function printDeviations(cases, results) {
  console.log('');
  for (const id of cases) {
    const clients = new Map();
    for (const result of results) {
      const [behavior, close] = got(result, id);
      if ((behavior === 'OK' && close === 'OK') || behavior === 'UNIMPLEMENTED') continue;
      const verdict = say(got(result, id));
      clients.set(verdict, [...(clients.get(verdict) ?? []), result.client.name]);
    }
    for (const [verdict, names] of clients) {
      const who = names.length === results.length ? 'all clients' : names.join(', ');
      console.log(`${id.padEnd(7)} ${verdict} (${who})`);
    }
  }
}
