// The programs and packages that a benchmark needs: built and installed here, found by absolute path.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { buildPrograms } from '../scripts/cargo.mjs';
import { ensure, isInstalled, root } from '../scripts/ensure.mjs';

export const here = dirname(fileURLToPath(import.meta.url));

/** Installs and builds what is missing; returns the paths of the programs. */
export function prepare() {
  ensure();
  // No lock file: it would have to name every platform's program of Bun and Deno. Versions are exact.
  if (!isInstalled(here))
    must('npm', ['install', '--no-package-lock', '--no-audit', '--no-fund'], here);
  // The same target directory as the addon's, so that OpenSSL is built once.
  const target = /host: (\S+)/.exec(spawnSync('rustc', ['-vV'], { encoding: 'utf8' }).stdout)?.[1];
  if (!target) throw new Error('rustc is not installed');
  const server = ['--release', '--target', target, '--package', 's9-websocket-bench'];
  const built = buildPrograms(['--quiet', ...server]);
  if (!built) throw new Error('the server of the benchmarks could not be built');
  return {
    bench: built['s9-bench'],
    node: process.execPath,
    bun: binary('bun'),
    deno: binary('deno'),
  };
}

/** The versions of everything that takes part. */
export function versions(programs) {
  const first = (program, ...args) =>
    spawnSync(program, args, { encoding: 'utf8' }).stdout?.split('\n')[0].trim() ?? 'none';
  return {
    's9-websocket': packageVersion(root),
    ws: packageVersion(join(here, 'node_modules', 'ws')),
    undici: packageVersion(join(here, 'node_modules', 'undici')),
    node: process.version,
    bun: first(programs.bun, '--version'),
    deno: first(programs.deno, '--version'),
    rustc: first('rustc', '--version'),
  };
}

const packageVersion = folder => JSON.parse(readFileSync(join(folder, 'package.json'))).version;

/** The program itself, not a script that starts it: that would be measured too. */
function binary(name) {
  const require = createRequire(join(here, 'package.json'));
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const { optionalDependencies } = require(`${name}/package.json`);
  const places = Object.keys(optionalDependencies).flatMap(dependency => [
    `${dependency}/${name}${suffix}`,
    `${dependency}/bin/${name}${suffix}`,
  ]);
  // Where Bun's install script moves it to, on every platform under this name.
  for (const place of [`${name}/bin/${name}.exe`, ...places]) {
    const path = join(here, 'node_modules', place);
    if (existsSync(path)) return path;
  }
  throw new Error(`${name} is not installed for this platform`);
}

function must(command, args, cwd) {
  const shell = process.platform === 'win32';
  const { status, error } = spawnSync(command, args, { cwd, shell, stdio: ['ignore', 2, 2] });
  if (error) throw new Error(`${command} could not be run: ${error.message}`);
  if (status !== 0) throw new Error(`${command} ${args[0]} failed`);
}
