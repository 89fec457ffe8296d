// The runtimes: installed here from npm, found by absolute path, each with how it runs a script.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const suffix = process.platform === 'win32' ? '.exe' : '';
const { optionalDependencies: wanted } = require('./package.json');

const titleOf = name => name.replace('-', ' ').replace(/^./, first => first.toUpperCase());

/** The names of all runtimes, whether they can be had or not. */
export const NAMES = Object.keys(wanted).map(titleOf);

/** How each runtime is started with a script. */
const ARGUMENTS = {
  // Without a lock and a config: those of the repository are npm's.
  deno: ['run', '--allow-all', '--no-config', '--no-lock', '--node-modules-dir=manual', '--quiet'],
};

/** Puts the package where the checks import it from, as its users have it: out of tarballs. */
export function installPackage(tarballs) {
  for (const tarball of tarballs) {
    const name = basename(tarball).replace(/-\d.*$/, '');
    const folder = join(here, 'node_modules', name);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const { status } = spawnSync('tar', ['-xzf', tarball, '-C', folder, '--strip-components=1']);
    if (status !== 0) throw new Error(`${tarball} could not be unpacked`);
  }
}

export function tarballsIn(folder) {
  const names = readdirSync(folder).filter(name => name.endsWith('.tgz'));
  return names.map(name => join(folder, name));
}

/** The Node that runs this. */
export function thisNode() {
  const version = process.version.slice(1);
  return {
    name: `Node ${version.split('.')[0]}`,
    version,
    program: process.execPath,
    arguments: [],
  };
}

/** All runtimes; `program` is undefined where it cannot be had. */
export function runtimes() {
  // No lock file: it would have to name every platform's program. Versions are exact.
  if (!Object.keys(wanted).every(isInstalled)) {
    const flags = ['--no-package-lock', '--no-audit', '--no-fund'];
    const options = { cwd: here, stdio: 'inherit', shell: process.platform === 'win32' };
    const { status } = spawnSync('npm', ['install', ...flags], options);
    if (status !== 0) console.error('npm could not install the runtimes');
  }
  return Object.keys(wanted)
    .sort((one, other) => Number(other.startsWith('node')) - Number(one.startsWith('node')))
    .map(name => ({
      name: titleOf(name),
      version: wanted[name].split('@').at(-1),
      program: programOf(name),
      arguments: ARGUMENTS[name] ?? [],
    }));
}

function isInstalled(name) {
  const manifest = join(here, 'node_modules', name, 'package.json');
  if (!existsSync(manifest)) return false;
  return wanted[name].endsWith(JSON.parse(readFileSync(manifest, 'utf8')).version);
}

/** The program itself, not a script that starts it. */
function programOf(name) {
  if (!isInstalled(name)) return undefined;
  const modules = join(here, 'node_modules');
  const { optionalDependencies = {} } = require(`./node_modules/${name}/package.json`);
  const places = Object.keys(optionalDependencies).flatMap(dependency => [
    join(dependency, `${name}${suffix}`),
    join(dependency, 'bin', `${name}${suffix}`),
  ]);
  // Install scripts bring Node to the first place, and Bun to the second on every platform.
  places.unshift(join(name, 'bin', `node${suffix}`), join(name, 'bin', `${name}.exe`));
  return places.map(place => join(modules, place)).find(existsSync);
}
