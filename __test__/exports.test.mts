// What the package exports, and that both module formats get the same of it.

import { createRequire } from 'node:module';

import test from 'ava';
import * as s9 from 's9-websocket';
import * as testing from 's9-websocket/testing';

const require = createRequire(import.meta.url);

test('public_exports_are_these', t => {
  t.deepEqual(Object.keys(require('s9-websocket')).sort(), [
    'AsyncNonBlockingOptions',
    'BlockingOptions',
    'ControlMessage',
    'NonBlockingOptions',
    'Receiver',
    'S9AsyncNonBlockingWebSocketClient',
    'S9BlockingWebSocketClient',
    'S9NonBlockingWebSocketClient',
    'S9Socket',
    'S9WebSocketError',
    'Sender',
    'setLogger',
  ]);
  t.deepEqual(Object.keys(require('s9-websocket/testing')), ['EchoServer']);
});

test('import_and_require_share_one_instance', t => {
  t.like(s9, require('s9-websocket'));
  t.like(testing, require('s9-websocket/testing'));
  t.is(s9.S9WebSocketError, require('s9-websocket').S9WebSocketError);
});

test('a_client_is_made_by_connect_alone', t => {
  for (const Client of [
    s9.S9NonBlockingWebSocketClient,
    s9.S9BlockingWebSocketClient,
    s9.S9AsyncNonBlockingWebSocketClient,
  ]) {
    const construct = () => Reflect.construct(Client, []);
    t.throws(construct, {
      instanceOf: s9.S9WebSocketError,
      code: 'ERR_S9_INVALID_CONFIGURATION',
    });
  }
});
