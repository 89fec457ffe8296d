// `npm run build:portable`: the addon of this Linux machine, linked against glibc 2.17, so that it
// loads on every distribution since 2013. `-- TARGET` builds another Linux target, musl ones too;
// rustup must have it. Brings Zig, which links it, and cargo-zigbuild from PyPI into `target/zig/`.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ensureDependencies, nativeSources, root } from './ensure.mjs';

/** The oldest glibc that the addon must load on: that of RHEL 7, and what Rust itself asks for. */
export const OLDEST_GLIBC = '2.17';

const requirements = join(root, 'scripts', 'zig-requirements.txt');
const tools = join(root, 'target', 'zig');
const built = target => join(root, 'target', 'portable', target, 'addon');

/** The target of this machine; undefined where it is not Linux with glibc. */
export function portableTarget() {
  if (process.platform !== 'linux') return undefined;
  if (!process.report.getReport().header.glibcVersionRuntime) return undefined;
  return { x64: 'x86_64-unknown-linux-gnu', arm64: 'aarch64-unknown-linux-gnu' }[process.arch];
}

/** The built addon, if it is of these sources. */
export function portableAddon(target) {
  const stamp = join(built(target), '.sources');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== fingerprint()) return undefined;
  return addonIn(built(target));
}

function addonIn(folder) {
  const name = readdirSync(folder).find(name => name.endsWith('.node'));
  return name && join(folder, name);
}

/** Builds the addon unless it is there; returns its path. */
export function buildPortable(target) {
  const current = portableAddon(target);
  if (current) return current;
  fetchTools();
  // As they are before: what is edited during the build may not be in it.
  const sources = fingerprint();
  const folder = built(target);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const versioned = target.endsWith('-gnu') ? `${target}.${OLDEST_GLIBC}` : target;
  const napi = join(root, 'node_modules', '@napi-rs', 'cli', 'dist', 'cli.js');
  const flags = ['build', '--platform', '--release', '--cross-compile', '--target', versioned];
  // A target directory of its own: the compiler differs, so all of OpenSSL would be built anew at
  // each change between this and the ordinary build.
  const places = ['--target-dir', join('target', 'portable'), '--output-dir', folder];
  const env = {
    ...process.env,
    PATH: [join(tools, 'bin'), process.env.PATH].join(delimiter),
    PYTHONPATH: tools,
  };
  const options = { cwd: root, env, stdio: 'inherit' };
  const { status } = spawnSync(process.execPath, [napi, ...flags, ...places], options);
  if (status !== 0) throw new Error(`building the addon for ${versioned} failed`);
  writeFileSync(join(folder, '.sources'), sources);
  return addonIn(folder);
}

function fetchTools() {
  const stamp = join(tools, '.sources');
  const wanted = readFileSync(requirements, 'utf8');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  console.log('── preparing: Zig ──');
  rmSync(tools, { recursive: true, force: true });
  mkdirSync(dirname(tools), { recursive: true });
  const pip = ['-m', 'pip', '--disable-pip-version-check', 'install', '--quiet', '--no-deps'];
  const what = ['--no-compile', '--target', tools, '-r', requirements];
  const { status, error } = spawnSync('python3', [...pip, ...what], { stdio: 'inherit' });
  if (error || status !== 0) throw new Error('Zig comes from PyPI: this needs python3 with pip');
  writeFileSync(stamp, wanted);
}

function fingerprint() {
  return createHash('sha256')
    .update(nativeSources())
    .update(readFileSync(requirements))
    .digest('hex');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const target = process.argv[2] ?? portableTarget();
    if (!target) throw new Error('this is no Linux with glibc: name a target');
    ensureDependencies();
    console.log(buildPortable(target));
  } catch (error) {
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}
