// What docs/parity.md promises of logging: records come to JavaScript and to stderr, by level.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import test from 'ava';
import { type LogRecord, S9NonBlockingWebSocketClient, setLogger } from 's9-websocket';

import { Peer } from './peer.mjs';

test.serial('set_logger_hands_over_the_records_of_its_level_and_above', async t => {
  await using peer = await Peer.start();
  const records = async (level: 'error' | 'debug' | 'trace') => {
    const found: LogRecord[] = [];
    setLogger(level, record => found.push(record));
    const client = await S9NonBlockingWebSocketClient.connect(peer.url);
    await client.run({
      onActivated: client => client.sendTextMessage('vanish'),
    });
    // Records come by way of the event loop.
    while (!found.some(record => record.level === 'error')) await new Promise(setImmediate);
    setLogger('off');
    return new Set(found.map(record => record.level));
  };
  t.deepEqual([...(await records('error'))], ['error']);
  t.deepEqual([...(await records('debug'))].sort(), ['debug', 'error']);
  t.deepEqual([...(await records('trace'))].sort(), ['debug', 'error', 'trace']);
});

test.serial('the_environment_makes_it_log_to_stderr', async t => {
  await using peer = await Peer.start();
  const code = `
    import { S9NonBlockingWebSocketClient as Client } from 's9-websocket';
    const client = await Client.connect('${peer.url}');
    await client.run({ onActivated: client => client.close() });
  `;
  const run = async (level: string) => {
    const env = { ...process.env, S9_WEBSOCKET_LOG: level };
    const cwd = new URL('.', import.meta.url);
    const args = ['--input-type=module', '--eval', code];
    return (await promisify(execFile)(process.execPath, args, { cwd, env })).stderr;
  };
  t.is(await run('off'), '');
  t.regex(await run('debug'), /DEBUG.*s9_websocket/);
});
