// All checks of the repository, each a step with a name: `npm test`, or `npm test -- ava types`, or
// `npm test -- --without audit`. Plain Node without dependencies.

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { UNAVAILABLE } from '../conformance/suite.mjs';
import { audit } from './audit.mjs';
import { buildReference } from './docs.mjs';
import { ensure, root, run } from './ensure.mjs';

const inNode = (...path) => join(root, 'node_modules', ...path);
const node = (script, ...args) => run(process.execPath, [script, ...args]);

let testsAreCompiled = false;

/** Checks the types of the tests, those of the public API among them, and compiles them for ava. */
function compileTests() {
  if (!testsAreCompiled) {
    // Left-overs of renamed tests would still be run.
    rmSync(join(root, '__test__', 'dist'), { recursive: true, force: true });
    testsAreCompiled = run('npm', ['run', '--silent', 'build:tests']);
  }
  return testsAreCompiled;
}

/** Where the testsuite cannot be had the step is skipped, but in CI it fails. */
function conformance() {
  const program = join(root, 'conformance', 'run.mjs');
  const { status } = spawnSync(process.execPath, [program], { cwd: root, stdio: 'inherit' });
  if (status !== UNAVAILABLE || process.env.CI) return status === 0;
  console.log('skipped');
  return undefined;
}

/** Each tells whether it passed; `undefined` where it was skipped. */
const STEPS = {
  biome: () => node(inNode('@biomejs', 'biome', 'bin', 'biome'), 'check', '.'),
  rustfmt: () => run('cargo', ['fmt', '--all', '--check']),
  clippy: () =>
    run('cargo', ['clippy', '--workspace', '--all-targets', '--', '--deny', 'warnings']),
  rustdoc: () =>
    run('cargo', ['rustdoc', '--package', 's9-websocket-core', '--', '--deny', 'warnings']),
  typedoc: buildReference,
  types: compileTests,
  cargo: () => run('cargo', ['test', '--workspace']),
  ava: () => compileTests() && node(inNode('ava', 'entrypoints', 'cli.mjs')),
  conformance,
  audit,
};

const { positionals: wanted, values } = parseArgs({
  allowPositionals: true,
  options: { without: { type: 'string', multiple: true, default: [] } },
});
const chosen = Object.entries(STEPS).filter(
  ([name]) => !values.without.includes(name) && (wanted.length === 0 || wanted.includes(name)),
);
const unknown = [...wanted, ...values.without].filter(name => !(name in STEPS));
if (unknown.length > 0) {
  console.error(`no such step: ${unknown.join(', ')}; there are ${Object.keys(STEPS).join(', ')}`);
  process.exit(1);
}
if (chosen.length === 0) {
  console.error('no step is left to run');
  process.exit(1);
}

try {
  ensure();
} catch (error) {
  console.error(`\n${error.message}`);
  process.exit(1);
}

const results = [];
for (const [name, check] of chosen) {
  console.log(`\n── ${name} ──`);
  const begun = performance.now();
  const passed = check();
  results.push({ name, passed, seconds: (performance.now() - begun) / 1000 });
}

console.log('');
for (const { name, passed, seconds } of results) {
  const mark = passed === undefined ? '–' : passed ? '✔' : '✘';
  console.log(`${mark} ${name.padEnd(11)} ${seconds.toFixed(1).padStart(7)} s`);
}
if (results.some(({ passed }) => passed === false)) process.exitCode = 1;
