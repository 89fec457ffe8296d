// Brings a clone to where demo and tests can run: dependencies, native addon, compiled TypeScript.
// Plain Node without dependencies; does only what is missing or older than its sources.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * npm is a script, a command file on Windows: npm tells where it is if it started us. Yarn tells where Yarn is,
 * in the same variable.
 */
export function npmProgram() {
  const program = process.env.npm_execpath;
  return program?.endsWith('npm-cli.js') ? program : undefined;
}

/** Runs a command in the root of the repository; true if it succeeded. */
export function run(command, args) {
  const npm = npmProgram();
  const [file, ...rest] =
    command === 'npm' && npm ? [process.execPath, npm, ...args] : [command, ...args];
  const shell = process.platform === 'win32' && file === 'npm';
  const { status, error } = spawnSync(file, rest, { cwd: root, shell, stdio: 'inherit' });
  if (error?.code === 'ENOENT') console.error(`${command} is not installed`);
  return status === 0;
}

/** Installs and builds what is needed; throws if a step fails. */
export function ensure() {
  ensureDependencies();
  step('native addon', () => isBuilt('native'), ['run', 'build:native'], 'native');
  step('TypeScript', () => isBuilt('dist'), ['run', 'build:ts'], 'dist');
}

/** Installs what the lock file says. */
export function ensureDependencies() {
  // Whatever the settings of whoever runs this leave out: TypeScript's compiler is an optional package.
  const all = ['--include=dev', '--include=optional'];
  step('dependencies', dependenciesAreCurrent, ['ci', ...all, '--no-audit', '--no-fund']);
}

/** Tells one state of the addon's sources from another. */
export const nativeSources = () => fingerprint('native');

/** `build` names what is built, if anything is. */
function step(name, isCurrent, npmArguments, build) {
  if (isCurrent()) return;
  // As they are before: what is edited during the build may not be in it.
  const sources = build && fingerprint(build);
  console.log(`\n── preparing: ${name} ──`);
  if (name === 'TypeScript') rmSync(join(root, 'dist'), { recursive: true, force: true });
  if (!run('npm', npmArguments)) throw new Error(`preparing ${name} failed`);
  if (build) writeFileSync(join(root, build, STAMP), stamp(build, sources));
}

/** Every package of the lock file is installed in its version, but for optional ones. */
function dependenciesAreCurrent() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const packagesOf = path => JSON.parse(readFileSync(path, 'utf8')).packages;
  const present = packagesOf(installed);
  return Object.entries(packagesOf(join(root, 'package-lock.json'))).every(
    ([path, wanted]) =>
      path === '' ||
      (present[path] ? present[path].version === wanted.version : wanted.optional === true),
  );
}

/** Whether a folder that has no lock file has all its dependencies, in exactly the versions that it names. */
export function isInstalled(folder) {
  // npm writes this list when all is there.
  const list = join(folder, 'node_modules', '.package-lock.json');
  if (!existsSync(list)) return false;
  const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const { packages } = JSON.parse(readFileSync(list, 'utf8'));
  return Object.entries(dependencies).every(([name, version]) => {
    const present = packages[`node_modules/${name}`];
    return version.startsWith('file:') ? present?.link : present?.version === version;
  });
}

const BUILDS = {
  native: {
    sources: ['Cargo.toml', 'Cargo.lock', 'build.rs', '.cargo', 'src', 'crates'],
    // Of the manifest only what the build reads: the rest changes often, and a build takes minutes.
    settings: ({ version, napi, scripts }) => [version, napi, scripts['build:native']],
    tools: ['@napi-rs/cli'],
    isBuiltTo: () =>
      existsSync(join(root, 'native', 'index.js')) &&
      readdirSync(join(root, 'native')).some(name => name.endsWith('.node')),
  },
  dist: {
    sources: ['src-ts', 'tsconfig.json', 'native/index.d.ts'],
    settings: ({ scripts }) => [scripts['build:ts']],
    tools: ['typescript', '@types/node'],
    isBuiltTo: () => existsSync(join(root, 'dist', 'index.mjs')),
  },
};

/** Parts of a crate that its library is not built from. */
const NOT_BUILT = new Set(['tests', 'benches', 'examples', 'fuzz', 'target', 'node_modules']);

/** In the folder of a build: what it was made of and what it is. */
const STAMP = '.sources';

function isBuilt(name) {
  const path = join(root, name, STAMP);
  return (
    BUILDS[name].isBuiltTo() &&
    existsSync(path) &&
    readFileSync(path, 'utf8') === stamp(name, fingerprint(name))
  );
}

/** Names what was built too: built by hand, or by half, of other sources, it would pass for that of these. */
function stamp(name, sources) {
  const hash = createHash('sha256');
  for (const file of filesIn(name)) {
    if (file !== `${name}/${STAMP}`)
      hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  }
  return `${sources}\n${hash.digest('hex')}\n`;
}

/** Contents, not times: a checkout touches files that it does not change. */
function fingerprint(name) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`);
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  hash.update(JSON.stringify([BUILDS[name].settings(manifest), versionsOf(BUILDS[name].tools)]));
  for (const source of BUILDS[name].sources) {
    for (const file of filesIn(source)) {
      hash.update(`${file}\n`).update(readFileSync(join(root, file)));
    }
  }
  return hash.digest('hex');
}

/** As they are locked. */
function versionsOf(tools) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return tools.map(tool => packages[`node_modules/${tool}`]?.version);
}

function filesIn(path) {
  const absolute = join(root, path);
  if (!existsSync(absolute)) return [];
  if (!statSync(absolute).isDirectory()) return [path];
  return readdirSync(absolute)
    .filter(name => !NOT_BUILT.has(name))
    .sort()
    .flatMap(name => filesIn(`${path}/${name}`));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    ensure();
  } catch (error) {
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}
