// Builds the reference pages from the comments: `npm run docs`. TypeScript's by TypeDoc, which has
// its own folder for the compiler that it needs, Rust's by rustdoc; a warning is an error for both.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ensure, root, run } from './ensure.mjs';

const folder = join(root, 'docs', 'api');

/** Builds TypeScript's pages, into `docs/api/html`; tells whether that succeeded. */
export function buildReference() {
  const flags = ['--prefix', folder, '--include=dev', '--no-audit', '--no-fund'];
  if (!isInstalled() && !run('npm', ['ci', ...flags])) return false;
  const typedoc = join(folder, 'node_modules', 'typedoc', 'bin', 'typedoc');
  return run(process.execPath, [typedoc, '--options', join(folder, 'typedoc.json')]);
}

/** The versions that the folder's manifest asks for are there. */
function isInstalled() {
  const read = path => JSON.parse(readFileSync(path, 'utf8'));
  return Object.entries(read(join(folder, 'package.json')).devDependencies).every(
    ([name, version]) => {
      const manifest = join(folder, 'node_modules', name, 'package.json');
      return existsSync(manifest) && read(manifest).version === version;
    },
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  ensure();
  const isBuilt =
    buildReference() &&
    run('cargo', ['rustdoc', '--package', 's9-websocket-core', '--', '--deny', 'warnings']);
  if (isBuilt) console.log('\ndocs/api/html/index.html\ntarget/doc/s9_websocket_core/index.html');
  else process.exitCode = 1;
}
