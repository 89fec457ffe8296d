// docs/parity.md names tests that exist, and has a row for everything that the package offers.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import test from 'ava';
import {
  AsyncNonBlockingOptions,
  BlockingOptions,
  ControlMessage,
  type S9WebSocketClientHandler,
  type WebSocketEvent,
} from 's9-websocket';

import { quoted, root, tableRows } from './markdown.mjs';
import { methodsOf, names } from './reference.mjs';

const PAGE = 'docs/parity.md';

/** What there is, its name here, and the tests that show it. */
const rows = ['`s9_websocket` 0.0.2', 'fault', 'option, error or method'].flatMap(heading =>
  tableRows(PAGE, heading).map(row => ({
    what: row[heading] ?? '',
    here: row.here ?? '',
    shown: quoted(row['shown by'] ?? ''),
  })),
);

/** Records of `true`: the compiler refuses a name too many and one too few. */
const CALLBACKS: Record<keyof S9WebSocketClientHandler<unknown>, true> = {
  onActivated: true,
  onPoll: true,
  onIdle: true,
  onTextMessage: true,
  onBinaryMessage: true,
  onPing: true,
  onPong: true,
  onConnectionClosed: true,
  onError: true,
  onQuit: true,
};

const EVENTS: Record<WebSocketEvent['type'], true> = {
  activated: true,
  textMessage: true,
  binaryMessage: true,
  ping: true,
  pong: true,
  connectionClosed: true,
  error: true,
  quit: true,
};

const CONTROL_MESSAGES: Record<ControlMessage['type'] & keyof typeof ControlMessage, true> = {
  sendText: true,
  sendBinary: true,
  sendPing: true,
  sendPong: true,
  close: true,
  forceQuit: true,
};

/** All files below `folder` whose name ends so, by their path with forward slashes. */
function sources(folder: string, end: RegExp): Map<string, string> {
  const paths = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  return new Map(
    paths
      .filter(path => end.test(path) && !path.includes('node_modules') && !path.startsWith('dist'))
      .map(path => [
        `/${path.replaceAll('\\', '/')}`,
        readFileSync(join(root, folder, path), 'utf8'),
      ]),
  );
}

const rust = sources('crates/core', /\.rs$/);
const typescript = sources('__test__', /\.mts$/);

/** Whether a source has a test of this name. */
function hasTest(source: string, name: string): boolean {
  if (new RegExp(`#\\[test\\]\\s+(#\\[.*\\]\\s+)*fn ${name}\\(`).test(source)) return true;
  // A behaviour, which `clients.rs` makes one test a client of.
  if (new RegExp(`^ +${name}$`, 'm').test(source)) {
    return source.includes(`fn ${name}(kind: Kind)`);
  }
  // What pins types is compiled and never run.
  if (new RegExp(`^export (async )?function ${name}\\(`, 'm').test(source)) return true;
  const titles = source.matchAll(/\btest(?:\.serial|\.before)?\(\s*(['`])(.+?)\1/g);
  return [...titles].some(([, , title = '']) => {
    const literals = title.split(/\$\{.+?\}/).map(text => text.replace(/\W/g, '\\$&'));
    return new RegExp(`^${literals.join('.+')}$`).test(name);
  });
}

test('every_row_names_tests_and_each_exists', t => {
  t.true(rows.length > 90, 'the tables are read');
  for (const { what, shown } of rows) {
    t.true(shown.length > 0, `${what}: no test`);
    for (const reference of shown) {
      const [file = '', name = ''] = reference.split(' › ');
      const all = file.endsWith('.rs') ? rust : typescript;
      const found = [...all].filter(([path]) => path.endsWith(`/${file}`));
      t.is(found.length, 1, `${reference}: files of this name`);
      t.true(hasTest(found[0]?.[1] ?? '', name), `${reference}: no such test`);
    }
  }
});

test('everything_that_the_package_offers_has_a_row', t => {
  const mentioned = new Set(rows.flatMap(({ what, here }) => quoted(`${what} ${here}`)));
  const offered = [
    ...methodsOf(BlockingOptions),
    ...methodsOf(AsyncNonBlockingOptions),
    ...Object.keys(CALLBACKS),
    ...Object.keys(EVENTS),
    ...Object.keys(CONTROL_MESSAGES),
    ...Object.keys(ControlMessage),
    ...names('code'),
  ];
  t.deepEqual(
    offered.filter(name => !mentioned.has(name)),
    [],
  );
});
