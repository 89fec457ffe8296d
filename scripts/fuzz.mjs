// `npm run fuzz -- --seconds 60 [frames …]`: runs the fuzz targets of the core for a fixed time each.
// Plain Node, stable Rust and a C++ compiler: RUSTC_BOOTSTRAP lets stable rustc take the one unstable
// flag, -Zsanitizer=address, that `cargo fuzz` would take nightly for.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { buildPrograms } from './cargo.mjs';
import { root } from './ensure.mjs';

const TARGETS = ['frames', 'streams', 'compressed', 'upgrade'];
/** Where not 8 KiB: instructions, of which the longest inputs are as good as the shortest. */
const LENGTHS = { streams: ['-max_len=385', '-len_control=0'] };
const folder = join(root, 'crates', 'core', 'fuzz');

/** As `cargo fuzz` 0.13 sets them. */
const FLAGS = [
  '--cfg=fuzzing',
  '-Cpasses=sancov-module',
  '-Cllvm-args=-sanitizer-coverage-level=4',
  '-Cllvm-args=-sanitizer-coverage-inline-8bit-counters',
  '-Cllvm-args=-sanitizer-coverage-pc-table',
  '-Cllvm-args=-sanitizer-coverage-trace-compares',
  '-Cllvm-args=-simplifycfg-branch-fold-threshold=0',
  '-Zsanitizer=address',
  '-Cdebug-assertions',
  '-Ccodegen-units=1',
];

const { values, positionals } = parseArgs({
  options: { seconds: { type: 'string', default: '60' } },
  allowPositionals: true,
});
const seconds = Number(values.seconds);
const targets = positionals.length > 0 ? positionals : TARGETS;
if (!(seconds >= 1) || targets.some(name => !TARGETS.includes(name))) {
  console.error(`npm run fuzz -- --seconds N [${TARGETS.join('] [')}]`);
  process.exit(1);
}
if (process.platform !== 'linux') {
  console.error('the fuzz targets are built for Linux only');
  process.exit(1);
}

const host = /host: (.+)/.exec(spawnSync('rustc', ['-vV'], { encoding: 'utf8' }).stdout)?.[1];
const env = { ...process.env, RUSTC_BOOTSTRAP: '1', RUSTFLAGS: FLAGS.join(' ') };
// The target is named so that build scripts are not instrumented.
const programs = buildPrograms(['--release', '--target', host], { cwd: folder, env });
if (!programs) process.exit(1);

let failed = false;
for (const name of targets) {
  const [found, seeds, artifacts] = [
    join(folder, 'found', name),
    join(folder, 'corpus', name),
    join(folder, 'artifacts', `${name}/`),
  ];
  for (const path of [found, artifacts]) mkdirSync(path, { recursive: true });
  console.log(`\n── ${name}, ${seconds} s ──`);
  const { status } = spawnSync(
    programs[name],
    [
      // New inputs go to the first folder, which git ignores.
      found,
      ...(existsSync(seeds) ? [seeds] : []),
      `-max_total_time=${seconds}`,
      `-artifact_prefix=${artifacts}`,
      '-print_final_stats=1',
      '-timeout=30',
      ...(LENGTHS[name] ?? ['-max_len=8192']),
    ],
    { stdio: 'inherit', env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' } },
  );
  if (status !== 0) failed = true;
}
if (failed) process.exitCode = 1;
