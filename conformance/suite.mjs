// The Autobahn testsuite on this machine: fetches its packages with pip into `.suite/`, has `adapt.py`
// make Python 3 of them, and starts the fuzzing server. Plain Node without dependencies.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const packages = join(here, '.suite');
export const reports = join(here, 'reports');

/** Exit code where the suite cannot be had. */
export const UNAVAILABLE = 2;

/** The suite cannot be had here; the message says why. */
export class SuiteUnavailable extends Error {}

/** The command of a Python that can install and run the suite. */
function findPython() {
  const asks = 'import sys; print(sys.version_info >= (3, 9)); import pip';
  for (const command of ['python3', 'python']) {
    const { status, stdout } = spawnSync(command, ['-c', asks], { encoding: 'utf8' });
    if (stdout?.startsWith('False')) continue;
    if (status === 0) return command;
    if (stdout?.startsWith('True')) {
      throw new SuiteUnavailable(`${command} has no pip, which fetches the Autobahn testsuite`);
    }
  }
  throw new SuiteUnavailable('the Autobahn testsuite needs python3, 3.9 or newer, on the PATH');
}

/** Fetches and adapts the suite unless that has been done; returns the command of its Python. */
function prepare() {
  const python = findPython();
  const version = spawnSync(python, ['--version'], { encoding: 'utf8' }).stdout;
  const hash = createHash('sha256').update(version);
  for (const name of ['requirements.txt', 'adapt.py']) hash.update(readFileSync(join(here, name)));
  const wanted = hash.digest('hex');
  const stamp = join(packages, '.sources');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return python;

  console.log('── preparing: Autobahn testsuite ──');
  rmSync(packages, { recursive: true, force: true });
  const pip = ['-m', 'pip', '--disable-pip-version-check', 'install', '--quiet', '--no-deps'];
  const what = ['--no-compile', '--target', packages, '-r', join(here, 'requirements.txt')];
  const options = { stdio: 'inherit' };
  if (spawnSync(python, [...pip, ...what], options).status !== 0) {
    throw new SuiteUnavailable('pip could not fetch the Autobahn testsuite');
  }
  if (spawnSync(python, [join(here, 'adapt.py'), packages], options).status !== 0) {
    throw new Error('the Autobahn testsuite could not be adapted');
  }
  writeFileSync(stamp, wanted);
  return python;
}

/** Starts this many fuzzing servers for these cases, each an id or a pattern as in `6.*`. */
export async function startFuzzingServers(patterns, count) {
  const python = prepare();
  rmSync(reports, { recursive: true, force: true });
  return Promise.all(
    Array.from({ length: count }, (_, number) =>
      startFuzzingServer(python, patterns, join(reports, `${number + 1}`)),
    ),
  );
}

async function startFuzzingServer(python, patterns, folder) {
  mkdirSync(folder, { recursive: true });
  const log = join(folder, 'server.log');
  const server = spawn(
    python,
    ['-W', 'ignore', join(here, 'fuzzing_server.py'), folder, ...patterns],
    {
      env: { ...process.env, PYTHONPATH: packages, PYTHONUTF8: '1' },
      stdio: ['pipe', 'pipe', openSync(log, 'w')],
    },
  );
  const ended = new Promise(resolve => server.once('close', resolve));
  const line = await new Promise(resolve => {
    createInterface({ input: server.stdout }).once('line', resolve).once('close', resolve);
  });
  if (line === undefined) throw new Error(`a fuzzing server did not start:\n${lastLine(log)}`);
  const { port, cases } = JSON.parse(line);
  return {
    url: `ws://127.0.0.1:${port}`,
    cases,
    /** Has the server write its reports; resolves to what `index.json` says of each agent and case. */
    async finish() {
      server.stdin.end();
      const status = await ended;
      if (status !== 0) throw new Error(`a fuzzing server failed (${status}); see ${log}`);
      return JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8'));
    },
  };
}

function lastLine(path) {
  return readFileSync(path, 'utf8').trim().split('\n').at(-1);
}
