// The licences of what an addon holds: every crate that is linked into it, Rust's standard library, and
// OpenSSL where it is.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { root } from './ensure.mjs';

const NAME = /^(licen[cs]e|copying|notice|unlicense)/i;

/** The notices that go with the addon for this target: each text once, below the crates it is of. */
export function thirdPartyLicenses(target) {
  const { packages, resolve, workspace_members: own } = metadata(target);
  const linked = linkedInto(
    resolve,
    packages,
    packages.find(({ name }) => name === 's9-websocket').id,
  );
  const foreign = packages.filter(({ id }) => linked.has(id) && !own.includes(id));
  const crates = foreign.map(crate => ({ title: titleOf(crate), text: textOf(crate) }));
  crates.push(standardLibrary());
  // Built from source by a build dependency; it is what the addon is for the greater part.
  if (foreign.some(({ name }) => name === 'openssl-sys')) {
    const source = packages.find(({ name }) => name === 'openssl-src');
    const text = readFileSync(
      join(dirname(source.manifest_path), 'openssl', 'LICENSE.txt'),
      'utf8',
    );
    crates.push({
      title: `OpenSSL ${source.version.split('+')[1]} (Apache-2.0)`,
      text: text.trim(),
    });
  }
  const sections = [...titlesByText(crates)].map(
    ([text, titles]) => `${titles.join('\n')}\n\n${text}\n`,
  );
  return `This addon holds the following.\n\n${sections.join(`\n${'-'.repeat(80)}\n\n`)}`;
}

/** In every addon, and in no metadata. */
function standardLibrary() {
  const { status, stdout } = spawnSync('rustc', ['--version'], { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error('rustc does not tell its version');
  const version = stdout.split(' ')[1];
  const repository = 'https://github.com/rust-lang/rust';
  return {
    title: `Rust's standard library ${version} (MIT OR Apache-2.0)`,
    text: textInPlaceOf('MIT', ['The Rust Project Contributors'], repository).trim(),
  };
}

function titlesByText(crates) {
  const titles = new Map();
  for (const { title, text } of crates) titles.set(text, [...(titles.get(text) ?? []), title]);
  return titles;
}

function metadata(target) {
  const args = ['metadata', '--format-version=1', '--locked', `--filter-platform=${target}`];
  const options = { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 };
  const { status, stdout, stderr } = spawnSync('cargo', args, options);
  if (status !== 0) throw new Error(`cargo metadata failed:\n${stderr}`);
  return JSON.parse(stdout);
}

/** What `crate` is linked with, itself among it: no build dependencies, and no macros. */
function linkedInto(resolve, packages, crate) {
  const nodes = new Map(resolve.nodes.map(node => [node.id, node]));
  const macros = new Set(
    packages
      .filter(({ targets }) => targets.some(({ kind }) => kind.includes('proc-macro')))
      .map(({ id }) => id),
  );
  const linked = new Set();
  const visit = id => {
    if (linked.has(id) || macros.has(id)) return;
    linked.add(id);
    for (const { pkg, dep_kinds: kinds } of nodes.get(id).deps) {
      if (kinds.some(({ kind }) => kind === null)) visit(pkg);
    }
  };
  visit(crate);
  return linked;
}

const titleOf = ({ name, version, license }) => `${name} ${version} (${license})`;

/** The text of its licence: of MIT where there is a choice, else of all that apply. */
function textOf({ manifest_path: manifest, license, license_file: file, authors, repository }) {
  const folder = dirname(manifest);
  // In all folders: code that a crate has from elsewhere lies beside the licence that it came with.
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(path => NAME.test(basename(path)) && statSync(join(folder, path)).isFile())
    .sort();
  if (file && !names.includes(file) && existsSync(join(folder, file))) names.push(file);
  const isChoice = /\bMIT\b/.test(license) && /OR|\//.test(license) && !/AND/.test(license);
  const mit = isChoice ? names.filter(name => /mit/i.test(name)) : [];
  const texts = (mit.length > 0 ? mit : names).map(name =>
    readFileSync(join(folder, name), 'utf8'),
  );
  if (texts.length === 0) texts.push(textInPlaceOf(license, authors, repository));
  return texts.map(text => text.replaceAll('\r\n', '\n').trim()).join('\n\n');
}

/** Of a crate that was published without the text of its licence. */
function textInPlaceOf(license, authors, repository) {
  const whose = `Copyright ${authors.join(', ') || 'its authors'}, ${repository}`;
  if (!/\bMIT\b/.test(license)) throw new Error(`no text of ${license}: ${whose}`);
  const own = readFileSync(join(root, 'LICENSE-MIT'), 'utf8');
  return `${whose}\n\n${own.slice(own.indexOf('Permission is hereby granted'))}`;
}
