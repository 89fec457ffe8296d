// The scripts of the repository: none of them passes, or publishes, without having done what was asked.

import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import test from 'ava';

import { plainEnvironment } from './command-line.mjs';
import { root } from './markdown.mjs';

const DEADLINE = 60_000;

function run(script: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
    encoding: 'utf8',
    env: plainEnvironment(env),
    timeout: DEADLINE,
  });
  return { status, told: stdout + stderr };
}

const REFUSED: Array<[script: string, args: string[], told: RegExp]> = [
  ['bench/bench.mjs', ['rttt'], /there is no benchmark "rttt"/],
  ['bench/bench.mjs', ['rtt', '--only', 'wss'], /there is no client "wss" in rtt; there are .*ws/],
  ['bench/bench.mjs', ['rtt', '--match', '65 B'], /no title of rtt contains "65 B"/],
  ['bench/bench.mjs', ['--publish', '--only', 'ws'], /--publish takes everything, not .*--only/],
  ['bench/bench.mjs', ['--publish', '--match', '64 B'], /--publish takes everything/],
  ['runtimes/run.mjs', ['buun'], /there is no runtime "buun"; there are .*Bun/],
  ['runtimes/run.mjs', ['--here', 'bun'], /there is no runtime "bun"; there are Node/],
  ['scripts/test.mjs', ['avaa'], /no such step: avaa; there are .*ava/],
  ['scripts/test.mjs', ['audit', '--without', 'audit'], /no step is left to run/],
  ['interop/run.mjs', ['nginy'], /there is no server "nginy"; there are .*nginx before ws/],
];

for (const [script, args, told] of REFUSED) {
  test(`${script} ${args.join(' ')} is refused before anything is built or run`, t => {
    const ran = run(join(root, script), args);
    t.regex(ran.told, told);
    t.is(ran.status, 1);
  });
}

/** A repository of files, with what it needs to be prepared by `scripts/ensure.mjs`. */
function repository(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 's9-scripts-'));
  const all = {
    'package-lock.json': '{ "packages": {} }',
    'node_modules/.package-lock.json': '{ "packages": {} }',
    ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  cpSync(join(root, 'scripts', 'ensure.mjs'), join(folder, 'scripts', 'ensure.mjs'));
  return folder;
}

test('a source that is edited during the build is built again', t => {
  const build = `
    const { appendFileSync, mkdirSync, readFileSync, writeFileSync } = require('node:fs');
    const source = readFileSync('src/lib.rs', 'utf8');
    appendFileSync('builds', source + '\\n');
    if (source === 'first') writeFileSync('src/lib.rs', 'second');
    mkdirSync('native', { recursive: true });
    writeFileSync('native/index.js', '');
    writeFileSync('native/addon.node', '');
    mkdirSync('dist', { recursive: true });
    writeFileSync('dist/index.mjs', '');`;
  const scripts = { 'build:native': 'node build.js', 'build:ts': 'node -e 0' };
  const folder = repository({
    'package.json': JSON.stringify({ scripts }),
    'build.js': build,
    'src/lib.rs': 'first',
  });
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (let time = 0; time < 3; time++) run(join(folder, 'scripts', 'ensure.mjs'));
  t.is(readFileSync(join(folder, 'builds'), 'utf8'), 'first\nsecond\n');
});

test('a build of other sources or tools, or one that was cut short, is built again', t => {
  const build = `
    const { copyFileSync, mkdirSync, writeFileSync } = require('node:fs');
    mkdirSync('native', { recursive: true });
    writeFileSync('native/index.js', '');
    copyFileSync('src/lib.rs', 'native/addon.node');
    mkdirSync('dist', { recursive: true });
    writeFileSync('dist/index.mjs', '');
    writeFileSync('dist/other.js', '');`;
  const scripts = { 'build:native': 'node build.js', 'build:ts': 'node build.js' };
  const folder = repository({
    'package.json': JSON.stringify({ scripts }),
    'build.js': build,
    'src/lib.rs': 'first',
  });
  t.teardown(() => rmSync(folder, { recursive: true }));
  const at = (path: string) => join(folder, path);
  const prepare = () => run(at('scripts/ensure.mjs'));
  const addon = () => readFileSync(at('native/addon.node'), 'utf8');
  prepare();
  t.notRegex(prepare().told, /preparing/);
  writeFileSync(at('src/lib.rs'), 'second');
  spawnSync(process.execPath, ['build.js'], { cwd: folder });
  writeFileSync(at('src/lib.rs'), 'first');
  t.is(addon(), 'second');
  t.regex(prepare().told, /preparing: native addon/);
  t.is(addon(), 'first');
  writeFileSync(at('native/addon.node'), 'fi');
  prepare();
  t.is(addon(), 'first');
  rmSync(at('dist/other.js'));
  prepare();
  t.true(existsSync(at('dist/other.js')));
  t.notRegex(prepare().told, /preparing/);
  // What makes the loader and the declarations is a source of them.
  for (const [tool, build] of [
    ['@napi-rs/cli', 'native addon'],
    ['typescript', 'TypeScript'],
    ['@types/node', 'TypeScript'],
  ]) {
    const lock = JSON.stringify({ packages: { [`node_modules/${tool}`]: { version: '2.0.0' } } });
    for (const path of ['package-lock.json', 'node_modules/.package-lock.json']) {
      writeFileSync(at(path), lock);
    }
    t.true(prepare().told.includes(`preparing: ${build}`), tool);
    t.notRegex(prepare().told, /preparing/);
  }
});

test('a clone is prepared by npm, whoever started it, and with all that its settings leave out', t => {
  const scripts = { 'build:native': 'node build.js', 'build:ts': 'node build.js' };
  const folder = repository({
    'package.json': JSON.stringify({ scripts }),
    'package-lock.json': '{ "packages": { "node_modules/tool": { "version": "1.0.0" } } }',
    'npm-cli.js':
      "require('node:fs').appendFileSync('asked', process.argv.slice(2).join(' ') + '\\n');",
    // As Yarn 1, which has no `ci`.
    'yarn.js': "require('node:fs').appendFileSync('asked', 'Yarn\\n'); process.exit(1);",
  });
  t.teardown(() => rmSync(folder, { recursive: true }));
  const prepare = (npm_execpath: string) =>
    run(join(folder, 'scripts', 'ensure.mjs'), [], { npm_execpath: join(folder, npm_execpath) });
  prepare('npm-cli.js');
  const [asked = ''] = readFileSync(join(folder, 'asked'), 'utf8').split('\n');
  t.regex(asked, /^ci /);
  for (const kind of ['dev', 'optional']) t.true(asked.split(' ').includes(`--include=${kind}`));
  rmSync(join(folder, 'asked'));
  prepare('yarn.js');
  t.false(existsSync(join(folder, 'asked')));
});

test('a program is run from where cargo has put it', async t => {
  const { buildPrograms } = await import(join(root, 'scripts', 'cargo.mjs'));
  const folder = mkdtempSync(join(tmpdir(), 's9-cargo-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'src'));
  writeFileSync(join(folder, 'Cargo.toml'), '[package]\nname = "some-program"\n[workspace]\n');
  writeFileSync(join(folder, 'src', 'main.rs'), 'fn main() {}');
  const elsewhere = join(folder, 'else where');
  const env = { ...process.env, CARGO_TARGET_DIR: elsewhere };
  const programs = buildPrograms(['--quiet'], { cwd: folder, env });
  t.true(programs['some-program'].startsWith(elsewhere));
  t.is(spawnSync(programs['some-program']).status, 0);
  writeFileSync(join(folder, 'src', 'main.rs'), 'fn main() {');
  t.is(buildPrograms(['--quiet'], { cwd: folder, env }), undefined);
});

test('peers that are missing, or of another version than is asked for, are installed', async t => {
  const { isInstalled } = await import(join(root, 'scripts', 'ensure.mjs'));
  const folder = mkdtempSync(join(tmpdir(), 's9-peers-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const write = (path: string, content: object) =>
    writeFileSync(join(folder, path), JSON.stringify(content));
  const asked = (ws: string) =>
    write('package.json', { dependencies: { ws, 's9-websocket': 'file:..' } });
  asked('8.1.0');
  t.false(isInstalled(folder));
  mkdirSync(join(folder, 'node_modules'));
  const ws = { version: '8.1.0' };
  const present = (packages: object) => write('node_modules/.package-lock.json', { packages });
  present({ 'node_modules/ws': ws });
  t.falsy(isInstalled(folder));
  present({ 'node_modules/ws': ws, 'node_modules/s9-websocket': { link: true } });
  t.true(isInstalled(folder));
  asked('8.2.0');
  t.false(isInstalled(folder));
});

test('an audit that could ask nobody does not pass in CI', t => {
  // Neither npm nor cargo deny is to be found.
  const { status, told } = run(join(root, 'scripts', 'audit.mjs'), [], {
    CI: 'true',
    PATH: '',
    npm_execpath: '',
  });
  t.regex(told, /npm: skipped/);
  t.is(status, 1);
});

test('verdicts of the testsuite are expected only where every client has all of them', async t => {
  const { isComplete } = await import(join(root, 'conformance', 'verdicts.mjs'));
  const verdict = { behavior: 'OK', behaviorClose: 'OK', remoteCloseCode: 1000 };
  const well = { failures: [], verdicts: { '1.1': verdict, '1.2': verdict } };
  t.true(isComplete(['1.1', '1.2'], [well, well]));
  t.false(isComplete(['1.1', '1.2'], [well, { ...well, failures: ['exit code 1'] }]));
  t.false(isComplete(['1.1', '1.2'], [well, { failures: [], verdicts: { '1.1': verdict } }]));
});
