// `npm run bench [-- NAME... [--rounds N] [--milliseconds N] [--only CLIENT,...] [--match TEXT]]`: measures clients
// beside each other, prints tables and writes results to bench/latest; with `--publish` to bench/results, which
// README and docs quote, with charts to docs/charts and tables into the pages. `--charts`: only these two. Where
// a client fails, the others are measured and the exit code is 1; nothing of it is published.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

import { drawCharts } from './charts.mjs';
import { writeFrames } from './deflated.mjs';
import { idleConnections, idleTurn, SETTINGS } from './idle.mjs';
import { writeTables } from './pages.mjs';
import { here, prepare, versions } from './peers.mjs';
import { ALL, SCENARIOS } from './scenarios.mjs';
import { distribution, medians } from './statistics.mjs';
import { printScenario } from './table.mjs';

const WARM_UP = 300;
/** A client that takes longer than this for one measurement is stuck. */
const STUCK = 60_000;
/** The server's processor and the client's. */
const [SERVER, CLIENT] = [0, 1];

/** The file with the frames that the server sends where it must not be the one to compress them. */
const FRAMES = 'frames';

/** Scenarios that are no comparison of clients on the benchmark's server. */
const OTHERS = { connections: idleConnections, turn: idleTurn };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    milliseconds: { type: 'string', default: '400' },
    only: { type: 'string' },
    match: { type: 'string', default: '' },
    publish: { type: 'boolean', default: false },
    charts: { type: 'boolean', default: false },
  },
});
if (values.charts) {
  drawCharts();
  writeTables();
  process.exit();
}
const rounds = wholeNumber('rounds', values.rounds);
const milliseconds = wholeNumber('milliseconds', values.milliseconds);
// Names have commas of their own, before a space.
const only = values.only?.split(/,(?! )/);
const names = positionals.length > 0 ? positionals : [...ALL, ...Object.keys(OTHERS)];
for (const name of names) {
  if (!(name in SCENARIOS) && !(name in OTHERS)) {
    const known = [...Object.keys(SCENARIOS), ...Object.keys(OTHERS)].join(', ');
    fail(`there is no benchmark ${JSON.stringify(name)}; there are ${known}`);
  }
}
if (values.publish && (only || values.match)) {
  fail('--publish takes everything, not what --only or --match leaves of it');
}
checkSelection();
if (availableParallelism() < 2) fail('two processors are needed: the server spins on one of them');

const programs = prepare();
const machine = {
  processor: `${cpus().length} × ${cpus()[0]?.model.trim()}`,
  memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
  system: `${process.platform} ${spawnSync('uname', ['-r'], { encoding: 'utf8' }).stdout?.trim()}`,
  versions: versions(programs),
};
const settings = `server pinned to processor ${SERVER} and spinning, client pinned to ${CLIENT}, ${rounds} rounds of ${milliseconds} ms in alternating order, medians of rounds`;
console.log(JSON.stringify(machine, null, 2));
let failures = 0;

const scratch = mkdtempSync(join(tmpdir(), 's9-bench-'));
const ca = join(scratch, 'ca.pem');
const server = spawn(
  programs.bench,
  ['serve', '--cpu', String(SERVER), '--ca-out', ca, '--frames', scratch],
  { stdio: ['pipe', 'pipe', 'inherit'] },
);
try {
  const [line] = await once(createInterface(server.stdout), 'line');
  const urls = JSON.parse(line);
  for (const name of names) {
    const results = [];
    const failedBefore = failures;
    if (name in OTHERS)
      results.push(...(await OTHERS[name]({ programs, scratch, measure: pinned })));
    else for (const scenario of selected(name)) results.push(await compare(scenario, urls));
    if (values.publish && failures > failedBefore) {
      console.error(`bench/results/${name}.json: left as it was, a client failed`);
    } else if (results.length > 0) save(name, results);
  }
} finally {
  server.stdin.end();
  rmSync(scratch, { recursive: true });
}
if (failures > 0) process.exitCode = 1;
else if (values.publish) {
  drawCharts();
  writeTables();
}

/** The scenarios of a name that are wanted, each with the clients that are. */
function selected(name) {
  return [...SCENARIOS[name]()]
    .filter(({ title }) => title.includes(values.match))
    .map(scenario => ({
      ...scenario,
      contenders: scenario.contenders.filter(({ name }) => !only || only.includes(name)),
    }))
    .filter(({ contenders }) => contenders.length > 0);
}

/** What is misspelt would measure nothing. */
function checkSelection() {
  const compared = names.filter(name => name in SCENARIOS);
  if (compared.length === 0) return;
  const scenarios = compared.flatMap(name => [...SCENARIOS[name]()]);
  const clients = new Set(scenarios.flatMap(({ contenders }) => contenders.map(it => it.name)));
  const unknown = only?.find(name => !clients.has(name));
  if (unknown !== undefined) {
    const known = [...clients].join('; ');
    fail(
      `there is no client ${JSON.stringify(unknown)} in ${compared.join(', ')}; there are ${known}`,
    );
  }
  if (!scenarios.some(({ title }) => title.includes(values.match))) {
    fail(`no title of ${compared.join(', ')} contains ${JSON.stringify(values.match)}`);
  }
}

/** Measures every contender in every round, in alternating order. */
async function compare(scenario, urls) {
  const { contenders } = scenario;
  const measured = new Map(contenders.map(({ name }) => [name, []]));
  if (scenario.frames) await writeFrames(join(scratch, FRAMES), scenario.frames);
  for (let round = 0; round < rounds; round++) {
    for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
      progress(`${scenario.title}, round ${round + 1}/${rounds}: ${contender.name}`);
      try {
        measured.get(contender.name).push(figures(await run(scenario, contender, urls)));
      } catch (error) {
        progress('');
        failures++;
        console.error(`${contender.name}: ${error.message}`);
      }
    }
  }
  progress('');
  const clients = Object.fromEntries(
    [...measured].filter(([, all]) => all.length > 0).map(([name, all]) => [name, medians(all)]),
  );
  const { title, unit, reference } = scenario;
  const result = { title, unit, reference, clients };
  printScenario(result);
  return result;
}

/** One measurement of one contender. */
function run({ path, frames, task, bothProcessors, longer = 1 }, contender, urls) {
  const length = milliseconds * longer;
  const [scheme, rest] = [path.slice(0, path.indexOf('/')), path.slice(path.indexOf('/'))];
  const url = urls[scheme] + rest + (frames ? `&frames=${FRAMES}` : '');
  const secure = scheme === 'wss';
  const processors = bothProcessors ? `${SERVER},${CLIENT}` : String(CLIENT);
  if (contender.floor) {
    const how = ['--measure', task.measure, '--size', task.size, '--wait', contender.floor];
    const options = [...how, '--milliseconds', length, ...(secure ? ['--ca', ca] : [])];
    const words = ['floor', url, ...options].map(String);
    return pinned(processors, [programs.bench, ...words]);
  }
  const { module, way, runtime, options } = contender;
  const times = { milliseconds: length, warmUp: WARM_UP };
  const whole = { ...task, module, way, options, url, ...times, ...(secure && { ca }) };
  const extra =
    runtime === 'deno' ? ['run', '--allow-all', '--no-config', '--no-lock', '--quiet'] : [];
  const words = [...extra, join(here, 'measured.mjs'), JSON.stringify(whole)];
  return pinned(processors, [programs[runtime], ...words], secure ? { DENO_CERT: ca } : {});
}

/** Runs a command on these processors; what it prints is JSON. */
async function pinned(processors, command, environment = {}) {
  const child = spawn(programs.bench, ['pin', processors, ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
    timeout: STUCK,
  });
  let output = '';
  let complaints = '';
  child.stdout.setEncoding('utf8').on('data', text => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', text => {
    complaints += text;
  });
  const [code, signal] = await once(child, 'close');
  if (code !== 0) throw new Error(`ended with ${signal ?? code}\n${complaints.slice(0, 2000)}`);
  return JSON.parse(output);
}

/** What is kept of a measurement. */
function figures({ times, cpu, messages, ...others }) {
  const kept = times ? { ...distribution(times), ...others } : others;
  if (cpu !== undefined) kept.cpuPerMessage = cpu / messages;
  return kept;
}

function save(name, results) {
  const folder = values.publish ? 'results' : 'latest';
  mkdirSync(join(here, folder), { recursive: true });
  const how = { ...machine, settings: SETTINGS[name] ?? settings };
  const text = JSON.stringify({ machine: how, results }, null, 2);
  writeFileSync(join(here, folder, `${name}.json`), `${text}\n`);
  console.log(`bench/${folder}/${name}.json: ${results.length} tables`);
}

/** Shows what is going on: one line that is written over on a terminal. */
function progress(what) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${what}`);
}

function wholeNumber(name, text) {
  if (!/^[1-9]\d*$/.test(text)) fail(`--${name} ${text}: a whole number, 1 or more, is needed`);
  return Number(text);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
