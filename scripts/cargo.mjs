// What cargo has built, and where: CARGO_TARGET_DIR and configurations put it anywhere, and what an earlier build
// has left in the usual place would be taken for it.

import { spawnSync } from 'node:child_process';

import { root } from './ensure.mjs';

/** Runs `cargo build` with these arguments; the paths of the programs by their names, undefined if it failed. */
export function buildPrograms(args, { cwd = root, env = process.env } = {}) {
  const { status, stdout } = spawnSync(
    'cargo',
    ['build', ...args, '--message-format', 'json-render-diagnostics'],
    { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 64 << 20 },
  );
  if (status !== 0) return undefined;
  const built = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
    .filter(({ executable }) => executable);
  return Object.fromEntries(built.map(({ target, executable }) => [target.name, executable]));
}
