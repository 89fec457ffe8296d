// `npm run sanitize -- [thread] [miri]`: tests of the core under ThreadSanitizer and Miri, which see races and
// undefined behaviour; without a name: both. `npm run fuzz` is what runs under AddressSanitizer. Plain Node;
// needs Linux and `rustup toolchain install nightly --component miri,rust-src`.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { root } from './ensure.mjs';

const host = /host: (.+)/.exec(spawnSync('rustc', ['-vV'], { encoding: 'utf8' }).stdout)?.[1];

/** Those that have connections; the others read sources, or count allocations and microseconds. */
const CONNECTED = [
  'acting_later',
  'async_client',
  'callbacks',
  'clients',
  'copying',
  'cut_waits',
  'deflate',
  'deflate_upgrade',
  'direct_sending',
  'faults',
  'lingering',
  'pace',
  'scheduling',
  'scripted',
  'scripted_sending',
];
/** Forty thousand frames; ten megabytes each; every cut of a text, right and wrong. */
const LONG = [
  'masks_are_even',
  'of_any_length',
  'of_every_length',
  'text_cut_within',
  'that_is_cut',
];
const tests = names => names.flatMap(name => ['--test', name]);

const CHECKS = {
  thread: {
    // The standard library is built anew, or what it does between threads would not be seen. OpenSSL would
    // not be seen either, and takes most of the time.
    args: ['test', '-Zbuild-std', '--target', host, '--no-fail-fast', '--lib', ...tests(CONNECTED)],
    filter: ['--skip', 'tls'],
    env: {
      RUSTFLAGS: '-Zsanitizer=thread',
      // The thread of lingering sockets, `transport/linger.rs`, is there to the end of the process.
      TSAN_OPTIONS: 'halt_on_error=1:report_thread_leaks=0',
    },
  },
  // Runs no C, so no TLS, and is a thousand times slower: what the state machine makes of a server's bytes,
  // which needs no socket. Its tests of sending would take hours.
  miri: {
    args: ['miri', 'test', ...tests(['scripted'])],
    filter: LONG.flatMap(name => ['--skip', name]),
    env: { MIRIFLAGS: '-Zmiri-disable-isolation' },
  },
};

const wanted = process.argv.slice(2);
if (wanted.some(name => !(name in CHECKS)) || process.platform !== 'linux') {
  console.error(`npm run sanitize -- [${Object.keys(CHECKS).join('] [')}], on Linux`);
  process.exit(1);
}
for (const [name, { args, filter, env }] of Object.entries(CHECKS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n── ${name} ──`);
  const folder = join(root, 'target', 'sanitizers', name);
  const all = ['+nightly', ...args, '--package', 's9-websocket-core', '--', ...filter];
  const { status } = spawnSync('cargo', all, {
    cwd: root,
    env: { ...process.env, CARGO_TARGET_DIR: folder, ...env },
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
