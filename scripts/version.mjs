// What `npm version` runs between writing package.json and committing: the same version for the packages of all
// platforms, and Cargo.toml's in the lock files, which a release is built by.

import { run } from './ensure.mjs';

const FUZZ = 'crates/core/fuzz';
const steps = [
  ['npm', ['exec', '--', 'napi', 'version']],
  ['cargo', ['update', '--workspace']],
  ['cargo', ['update', '--workspace', '--manifest-path', `${FUZZ}/Cargo.toml`]],
  ['git', ['add', 'npm', 'Cargo.lock', `${FUZZ}/Cargo.lock`]],
];
if (!steps.every(([command, args]) => run(command, args))) process.exitCode = 1;
