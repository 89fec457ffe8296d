// What the package exports, and that both module formats get the same of it.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import vm from 'node:vm';

import test from 'ava';
import * as s9 from 's9-websocket';
import * as testing from 's9-websocket/testing';

import { upgradingPeer } from './unhelpful-peers.mjs';

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

/** The package, loaded into a realm of its own as Jest does it: native code's errors are of the main one. */
function loadedInAnotherRealm(): typeof s9 {
  const names = ['AbortSignal', 'Buffer', 'URL', 'clearTimeout', 'performance', 'process'];
  const globals = [...names, 'setImmediate', 'setTimeout'].map(name => [
    name,
    globalThis[name as keyof typeof globalThis],
  ]);
  const context = vm.createContext(Object.fromEntries(globals));
  const modules = new Map<string, { exports: unknown }>();
  const load = (path: string): unknown => {
    const known = modules.get(path);
    if (known) return known.exports;
    const module = { exports: {} };
    modules.set(path, module);
    const requireFrom = createRequire(path);
    vm.runInContext(
      `(function (exports, require, module, __filename, __dirname) {${readFileSync(path)}\n})`,
      context,
    )(
      module.exports,
      (id: string) => (id.startsWith('./') ? load(requireFrom.resolve(id)) : requireFrom(id)),
      module,
      path,
      dirname(path),
    );
    return module.exports;
  };
  return load(require.resolve('s9-websocket')) as typeof s9;
}

test('in_another_realm_errors_are_ours_and_a_send_hides_an_end_that_nobody_knows', async t => {
  const realm = loadedInAnotherRealm();
  t.not(realm.S9WebSocketError, s9.S9WebSocketError);
  let serve = (_: Socket) => {};
  const upgraded = new Promise<Socket>(resolve => {
    serve = resolve;
  });
  const peer = await upgradingPeer(socket => serve(socket));
  t.teardown(() => peer.close());
  const refused = realm.S9NonBlockingWebSocketClient.connect(peer.url, { ttl: 0 });
  const [{ reason }] = (await Promise.allSettled([refused])) as [PromiseRejectedResult];
  t.true(reason instanceof realm.S9WebSocketError);
  t.is(reason.code, 'ERR_S9_INVALID_CONFIGURATION');
  const client = await realm.S9NonBlockingWebSocketClient.connect(peer.url);
  const told: string[] = [];
  const handler = {
    onError: (_: unknown, error: s9.S9WebSocketError) => void told.push(error.code),
  };
  t.true(client.poll(handler));
  const socket = await upgraded;
  socket.resetAndDestroy();
  await once(socket, 'close');
  for (let sent = 0; sent < 3; sent++) client.sendTextMessage('lost');
  while (client.poll(handler));
  t.deepEqual(told, ['ERR_S9_IO']);
});
