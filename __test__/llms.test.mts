// llms.txt speaks of everything that the package offers, and of nothing that it does not.

import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import test from 'ava';
import {
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
  S9Socket,
} from 's9-websocket';

import { pages, quoted, root } from './markdown.mjs';
import { methodsOf, names } from './reference.mjs';

const require = createRequire(import.meta.url);
const words = (code: string) => code.match(/[A-Za-z_]\w*/g) ?? [];
const mentioned = new Set(quoted(pages.get('llms.txt') ?? '').flatMap(words));

/** Of the language. */
const OTHERS = ['await', 'new', 'true', 'using'];

test('llms_txt_has_everything_that_the_package_offers', t => {
  const { ControlMessage, ...exported } = require('s9-websocket');
  const classes = [
    S9NonBlockingWebSocketClient,
    S9BlockingWebSocketClient,
    S9AsyncNonBlockingWebSocketClient,
    S9Socket,
  ];
  const offered = [
    ...Object.keys(exported),
    ...Object.keys(ControlMessage),
    ...Object.keys(require('s9-websocket/testing')),
    ...classes.flatMap(methodsOf).filter(name => name !== 'runIn'),
    ...['option', 'tls option', 'code'].flatMap(names),
  ];
  t.true(offered.length > 80);
  t.deepEqual(
    offered.filter(name => !mentioned.has(name)),
    [],
  );
});

test('llms_txt_has_nothing_that_the_package_does_not_offer', t => {
  const dist = join(root, 'dist');
  const declarations = readdirSync(dist).filter(name => name.endsWith('.d.ts'));
  const text = declarations.map(name => readFileSync(join(dist, name), 'utf8')).join('\n');
  const declared = new Set([...words(text), ...OTHERS]);
  t.deepEqual(
    [...mentioned].filter(name => !declared.has(name)),
    [],
  );
});
