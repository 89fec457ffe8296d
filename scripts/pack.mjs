// `npm run pack:local`: the tarballs that this platform's users install, in `target/packages/`: the
// package and the addon for this platform. `-- --addons FOLDER`: the addons of all platforms, built
// elsewhere, in place of this one's: what a release publishes.

import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { byVersion, newestGlibc } from './elf.mjs';
import { ensure, root } from './ensure.mjs';
import { thirdPartyLicenses } from './licenses.mjs';
import { buildPortable, OLDEST_GLIBC, portableAddon, portableTarget } from './portable.mjs';

const manifestOf = folder => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
const LICENSES = ['LICENSE-APACHE', 'LICENSE-MIT'];
const NOTICES = 'THIRD-PARTY-LICENSES';
/** What only a clone needs; it is private, since published as it is it would be without an addon. */
const OF_A_CLONE = ['private', 'scripts', 'devDependencies', 'ava', 'napi'];

/** The platforms, by the name of their folder in `npm/`. */
const platforms = () => readdirSync(join(root, 'npm')).sort();

/** Packs the package and these addons into `to`; returns the paths of the tarballs. */
export function pack(addons, to) {
  rmSync(to, { recursive: true, force: true });
  const stages = [...addons.map(addon => stageAddon(addon, to)), stageMain(to)];
  return stages.map(stage => {
    const [{ filename }] = JSON.parse(npm(['pack', '--json', '--pack-destination', to], stage));
    rmSync(stage, { recursive: true });
    return join(to, filename);
  });
}

/** This platform's addon: the portable one if it is built, else the one that tests run with. */
export function localAddon() {
  const target = portableTarget();
  const portable = target && portableAddon(target);
  if (portable) return portable;
  const name = readdirSync(join(root, 'native')).find(name => name.endsWith('.node'));
  return join(root, 'native', name);
}

/** The package: the files that npm would take, with the addons as optional dependencies. */
function stageMain(to) {
  const stage = join(to, 'package');
  const [{ files }] = JSON.parse(npm(['pack', '--dry-run', '--json'], root));
  for (const { path } of files) cpSync(join(root, path), join(stage, path));
  const manifest = manifestOf(root);
  for (const key of OF_A_CLONE) delete manifest[key];
  // In no manifest but the published one: `npm ci` in a clone would look for what is not there yet.
  manifest.optionalDependencies = Object.fromEntries(
    platforms().map(platform => [`${manifest.name}-${platform}`, manifest.version]),
  );
  return written(stage, manifest);
}

/** The package of one platform. */
function stageAddon(addon, to) {
  const platform = basename(addon).split('.')[1];
  if (!platforms().includes(platform)) throw new Error(`${addon}: no folder of it in npm/`);
  const stage = join(to, platform);
  cpSync(join(root, 'npm', platform), stage, { recursive: true });
  cpSync(addon, join(stage, basename(addon)));
  for (const name of LICENSES) cpSync(join(root, name), join(stage, name));
  const manifest = manifestOf(stage);
  writeFileSync(join(stage, NOTICES), thirdPartyLicenses(targetOf(platform)));
  const files = [...manifest.files, ...LICENSES, NOTICES];
  return written(stage, { ...manifest, files, version: manifestOf(root).version });
}

/** The target of a platform, by what npm's folder of it is for. */
function targetOf(platform) {
  const readme = readFileSync(join(root, 'npm', platform, 'README.md'), 'utf8');
  return /\*\*(\S+)\*\*/.exec(readme)[1];
}

function written(stage, manifest) {
  mkdirSync(stage, { recursive: true });
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return stage;
}

function npm(args, cwd) {
  const options = { cwd, encoding: 'utf8', shell: process.platform === 'win32' };
  const { status, stdout, stderr } = spawnSync('npm', args, options);
  if (status !== 0) throw new Error(`npm ${args.join(' ')} failed in ${cwd}:\n${stderr}`);
  return stdout;
}

/** The portable addon where it can be built. */
function builtAddon() {
  const target = portableTarget();
  if (!target) return localAddon();
  try {
    return buildPortable(target);
  } catch (error) {
    console.error(`${error.message}; packing the ordinary build, which needs this machine's glibc`);
    return localAddon();
  }
}

function releasedAddons(folder) {
  const addons = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.node'))
    .map(name => join(folder, name));
  const missing = platforms().filter(
    platform => !addons.some(addon => basename(addon).split('.')[1] === platform),
  );
  if (missing.length > 0) throw new Error(`there is no addon for ${missing.join(', ')}`);
  for (const addon of addons.filter(name => /linux-\w+-gnu/.test(name))) {
    const needed = newestGlibc(addon);
    if (byVersion(needed, OLDEST_GLIBC) > 0) throw new Error(`${addon} needs glibc ${needed}`);
  }
  return addons;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const { values } = parseArgs({ options: { addons: { type: 'string' } } });
    ensure();
    const addons = values.addons ? releasedAddons(values.addons) : [builtAddon()];
    for (const addon of addons) {
      const glibc = /linux-\w+-gnu/.test(addon)
        ? `, for glibc ${newestGlibc(addon)} and newer`
        : '';
      console.log(`packing ${addon}${glibc}`);
    }
    for (const tarball of pack(addons, join(root, 'target', 'packages'))) {
      console.log(`${tarball} ${(statSync(tarball).size / 1e6).toFixed(2)} MB`);
    }
  } catch (error) {
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}
