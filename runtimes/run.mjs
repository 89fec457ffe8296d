// `npm run test:runtimes`: runs the checks on Node 20 to 26, Bun and Deno and holds what they say
// against `expected-failures.json`. `-- bun deno`: on these; `-- --check run`: checks with this in
// their name; a runtime that cannot be installed is skipped, but in CI it fails. `-- --here`: on the Node that runs this;
// `-- --packages FOLDER`: with the tarballs there, in place of those of this clone.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { ensure, root } from '../scripts/ensure.mjs';
import { localAddon, pack } from '../scripts/pack.mjs';
import { here, installPackage, NAMES, runtimes, tarballsIn, thisNode } from './installed.mjs';

/** Longer than any check takes on a busy machine. */
const DEADLINE = 30_000;
/** Runs that spin take a core each. */
const AT_A_TIME = 2;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    check: { type: 'string', default: '' },
    here: { type: 'boolean', default: false },
    packages: { type: 'string' },
  },
});
const isCalled = (name, wanted) => name.toLowerCase().startsWith(wanted);
const known = values.here ? [thisNode().name] : NAMES;
for (const wanted of positionals) {
  if (known.some(name => isCalled(name, wanted))) continue;
  fail(`there is no runtime ${JSON.stringify(wanted)}; there are ${known.join(', ')}`);
}
const installed = values.here ? [thisNode()] : runtimes();
installPackage(values.packages ? tarballsIn(values.packages) : packed());
const { CHECKS } = await import('./checks.mjs');
const checks = Object.keys(CHECKS).filter(name => name.includes(values.check));
if (checks.length === 0) {
  const all = Object.keys(CHECKS).join(', ');
  fail(`no check is called ${JSON.stringify(values.check)}; there are ${all}`);
}
const expected = JSON.parse(readFileSync(join(here, 'expected-failures.json'), 'utf8'));
const { EchoServer } = await import('s9-websocket/testing');
const plain = await EchoServer.start();
const secure = await EchoServer.start({ tls: true });
const servers = JSON.stringify({ url: plain.url, tlsUrl: secure.url, ca: secure.ca });

function packed() {
  ensure();
  return pack([localAddon()], join(root, 'target', 'packages'));
}

/** Why a check fails on a runtime; undefined if it passes. */
function failureOf(runtime, check) {
  return new Promise(resolve => {
    const script = [...runtime.arguments, join(here, 'check.mjs'), check, servers];
    const env = { ...process.env, NO_COLOR: '1' };
    const child = spawn(runtime.program, script, { cwd: here, env, timeout: DEADLINE });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (output += data));
    child.on('error', error => resolve(error.message));
    child.on('close', (code, signal) => {
      const passed = code === 0 && output.trim().split('\n').at(-1) === 'passed';
      const end = signal ? `ended by ${signal}` : `ended with ${code}`;
      resolve(passed ? undefined : `${output.trim()}\n${end}`.trim());
    });
  });
}

async function failuresOf(runtime) {
  const left = [...checks];
  const failures = {};
  const worker = async () => {
    for (let check = left.shift(); check; check = left.shift()) {
      const failure = await failureOf(runtime, check);
      if (failure) failures[check] = failure;
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  return failures;
}

let deviations = 0;
let ran = 0;
let missing = 0;
for (const runtime of installed) {
  const title = `${runtime.name} (${runtime.version})`;
  const isWanted = positionals.length === 0 || positionals.some(it => isCalled(runtime.name, it));
  if (!isWanted) continue;
  if (!runtime.program) {
    missing++;
    console.log(`– ${title}: skipped, npm has no program of it for this platform`);
    continue;
  }
  ran++;
  const failures = await failuresOf(runtime);
  const known = expected[runtime.name] ?? {};
  const passed = checks.length - Object.keys(failures).length;
  console.log(`${title}: ${passed} of ${checks.length} passed`);
  for (const check of checks) {
    if (failures[check] && known[check]) console.log(`  – ${check}: ${known[check]}`);
    else if (failures[check]) {
      deviations++;
      console.log(`  ✘ ${check}\n${failures[check].replace(/^/gm, '      ')}`);
    } else if (known[check]) {
      deviations++;
      console.log(`  ✘ ${check}: passes, but \`expected-failures.json\` says that it does not`);
    }
  }
}
await Promise.all([plain.close(), secure.close()]);
if (ran === 0) console.error('there is no runtime to be had');
// In CI all of them can be had: one that is missing was not tried.
if (deviations > 0 || ran === 0 || (process.env.CI && missing > 0)) process.exitCode = 1;

function fail(message) {
  console.error(message);
  process.exit(1);
}
