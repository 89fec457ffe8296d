// Log records on stderr and in JavaScript, and what must never be in them.

import { once } from 'node:events';
import { createServer } from 'node:net';

import test from 'ava';
import {
  S9AsyncNonBlockingWebSocketClient as AsyncClient,
  S9BlockingWebSocketClient as BlockingClient,
  type LogRecord,
  S9NonBlockingWebSocketClient as NonBlockingClient,
  setLogger,
} from 's9-websocket';
import { EchoServer } from 's9-websocket/testing';

import { runChild } from './child-process.mjs';

const LIFE = ['connected', 'upgraded', 'connection activated', 'closing the connection'];

async function child(how: string, env: Record<string, string> = {}, stderrIsClosed = false) {
  const echo = await EchoServer.start();
  const end = await runChild('log', [how, echo.url], { env, stderrIsClosed });
  await echo.close();
  return { ...end, printed: end.lines.map(line => JSON.parse(line)) };
}

for (const level of ['debug', 'trace', 'DEBUG']) {
  test(`the_environment_has_${level}_printed_to_stderr`, async t => {
    const { code, stderr, lines } = await child('stderr', { S9_WEBSOCKET_LOG: level });
    t.is(code, 0);
    t.deepEqual(lines, []);
    for (const message of LIFE) t.true(stderr.includes(message), `${message} is not in ${stderr}`);
    t.is(/TRACE/.test(stderr), level === 'trace', stderr);
    t.is(/text message/.test(stderr), level === 'trace', stderr);
    // No colours for what is no terminal.
    t.false(stderr.includes('\u001b'), JSON.stringify(stderr));
  });
}

test('the_environment_has_errors_alone_printed', async t => {
  const { code, stderr } = await child('stderr', { S9_WEBSOCKET_LOG: 'error' });
  t.is(code, 0);
  t.is(stderr, '');
});

for (const level of ['off', '']) {
  test(`the_environment_has_nothing_printed_with_${level || 'an_empty_level'}`, async t => {
    const { code, stderr } = await child('stderr', { S9_WEBSOCKET_LOG: level });
    t.is(code, 0);
    t.is(stderr, '');
  });
}

test('an_unknown_level_in_the_environment_is_told_and_the_process_lives', async t => {
  const { code, stderr } = await child('stderr', { S9_WEBSOCKET_LOG: 'loud' });
  t.is(code, 0);
  t.is(
    stderr,
    'S9_WEBSOCKET_LOG="loud" is ignored: it must be one of off, error, warn, info, debug, trace\n',
  );
});

for (const level of ['trace', 'loud']) {
  test(`a_closed_stderr_does_no_harm_with_${level}`, async t => {
    const { code, signal, printed } = await child('done', { S9_WEBSOCKET_LOG: level }, true);
    t.deepEqual({ code, signal, printed }, { code: 0, signal: null, printed: ['done'] });
  });
}

test('levels_are_filtered_and_off_ends_it', async t => {
  const { code, stderr, printed } = await child('levels');
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const byLevel = new Map(printed.map(({ level, records }) => [level, records as LogRecord[]]));
  const messages = (level: string) => byLevel.get(level)?.map(record => record.message) ?? [];
  for (const level of ['trace', 'debug']) {
    for (const message of LIFE) t.true(messages(level).includes(message), `${level}: ${message}`);
    t.is(messages(level).at(-1), 'connection quit');
  }
  t.is(byLevel.get('trace')?.filter(record => record.message === 'text message').length, 1);
  t.true(byLevel.get('debug')?.every(record => record.level !== 'trace'));
  for (const level of ['info', 'warn', 'error', 'off']) t.deepEqual(messages(level), []);

  const text = byLevel.get('trace')?.find(record => record.message === 'text message');
  t.deepEqual(text?.fields, { bytes: '5' });
  t.is(text?.level, 'trace');
  t.regex(text?.target ?? '', /^s9_websocket/);
  t.true(Math.abs((text?.timestamp ?? 0) - Date.now()) < 60_000);
  const closed = byLevel.get('debug')?.find(record => record.message === 'connection closed');
  t.deepEqual(closed?.fields, { code: '4001' });
});

test('a_log_function_that_throws_loses_no_records', async t => {
  const { code, stderr, printed } = await child('throwing');
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const [{ messages, uncaught }] = printed;
  for (const message of LIFE) t.true(messages.includes(message), message);
  t.deepEqual(uncaught, messages);
});

test('a_logger_in_a_worker_hears_of_all_and_ends_with_it', async t => {
  const { code, stderr, printed } = await child('from_worker');
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  for (const { messages } of printed) {
    for (const message of LIFE) t.true(messages.includes(message), message);
  }
  t.is(printed.length, 2);
});

test('a_logger_that_was_replaced_is_not_called_any_more', async t => {
  const { code, stderr, printed } = await child('replaced');
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const [{ former, latter }] = printed;
  t.deepEqual(former, []);
  t.like(latter[0], { bytes: '5' });
});

test('no_records_are_kept_for_the_logger_of_a_worker_that_ended', async t => {
  const { code, stderr, printed } = await child('collected');
  t.deepEqual({ code, stderr, printed }, { code: 0, stderr: '', printed: [[]] });
});

test('a_worker_that_ends_takes_only_its_own_logger_with_it', async t => {
  const { code, stderr, printed } = await child('worker_replaced');
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  for (const message of LIFE) t.true(printed[0].messages.includes(message), message);
});

test('wrong_levels_and_log_functions_are_refused_by_name', t => {
  for (const level of ['loud', '', 'Errors', 1, null, undefined]) {
    t.throws(() => setLogger(level as 'off', () => {}), {
      code: 'ERR_S9_INVALID_CONFIGURATION',
      message: /^invalid level: /,
    });
  }
  for (const log of [undefined, null, 'console.log', {}]) {
    t.throws(() => setLogger('debug', log as () => void), {
      code: 'ERR_S9_INVALID_CONFIGURATION',
      message: /^invalid log: .* \(allowed: a function\)$/,
    });
  }
});

/** Refuses each upgrade, or hangs up, or says something else. */
async function rudePeer(answer: string) {
  const server = createServer(socket => {
    socket.on('error', () => {}).once('data', () => socket.end(answer));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return { port: typeof address === 'object' ? address?.port : 0, close: () => server.close() };
}

test.serial('no_credentials_are_in_records_or_errors', async t => {
  const secrets = ['alice', 'open%20sesame', 'open sesame', 'b3BlbiBzZXNhbWU', 'Bearer', 'hunter2'];
  secrets.push(
    'session=1234',
    'swordfish',
    'PRIVATE',
    'listen-key',
    'query-token',
    Buffer.from('alice:open sesame').toString('base64'),
  );
  const headers = { Authorization: 'Bearer hunter2', Cookie: 'session=1234', 'X-Key': 'hunter2' };
  const tls = { pfx: Buffer.from('not a pfx: hunter2'), passphrase: 'swordfish' };
  const key = '-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n';
  const pem = { cert: '-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n', key };

  const seen: string[] = [];
  const shown = (error: unknown): string => {
    if (!(error instanceof Error)) return String(error);
    return `${error.stack} ${JSON.stringify(error)} ${error.cause ? shown(error.cause) : ''}`;
  };
  setLogger('trace', record => seen.push(JSON.stringify(record)));
  const [echo, secure, refusing, rude] = await Promise.all([
    EchoServer.start(),
    EchoServer.start({ tls: true }),
    rudePeer('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n'),
    rudePeer('nonsense\r\n\r\n'),
  ]);
  t.teardown(async () => {
    setLogger('off');
    refusing.close();
    rude.close();
    await Promise.all([echo.close(), secure.close()]);
  });
  const user = 'alice:open%20sesame@';
  const attempts: Array<[string, object]> = [
    [`ws://${user}127.0.0.1:${echo.port}`, { headers }],
    [`wss://${user}localhost:${secure.port}`, { headers, tls: { ca: secure.ca } }],
    // None of these comes about.
    [`wss://${user}localhost:${secure.port}`, { headers }],
    [`ws://${user}127.0.0.1:${refusing.port}`, { headers }],
    [`ws://${user}127.0.0.1:${rude.port}`, { headers }],
    [`ws://${user}127.0.0.1:1`, { headers }],
    [`ws://${user}nowhere.invalid`, { headers, connectTimeout: 500 }],
    [`wss://${user}localhost:${secure.port}`, { tls }],
    [`wss://${user}localhost:${secure.port}`, { tls: pem }],
    [`ws://${user}127.0.0.1:99999`, {}],
    [`http://${user}127.0.0.1`, {}],
    [`ws://${user}127.0.0.1/#fragment`, {}],
    [`ws://${user}`, {}],
    [`${user}127.0.0.1`, {}],
    [`ws:/${user}127.0.0.1`, {}],
    [`ws://${user}127.0.0.1/\n`, {}],
    [`ws://127.0.0.1:${echo.port}`, { headers: { Authorization: 'Bearer hunter2\r\nX: y' } }],
    [`ws://127.0.0.1:${echo.port}`, { headers: { Authorization: ['Bearer hunter2', 7] } }],
    [`ws://127.0.0.1:${echo.port}`, { headers: ['Authorization: Bearer hunter2'] }],
    [`ws://127.0.0.1:${echo.port}`, { headers: 'Authorization: Bearer hunter2' }],
    [`ws://127.0.0.1:${echo.port}`, { tls: { passphrase: ['swordfish'] } }],
    [`ws://127.0.0.1:${echo.port}`, { tls: { key: ['PRIVATE'] } }],
    [`ws://127.0.0.1:${echo.port}/listen-key?token=query-token`, {}],
    [`wss://localhost:${secure.port}/listen-key?token=query-token`, {}],
    [`ws://127.0.0.1:${refusing.port}/listen-key?token=query-token`, {}],
    [`ws://127.0.0.1:1/listen-key?token=query-token`, {}],
    [`ws://127.0.0.1:99999/listen-key?token=query-token`, {}],
    [`ws://127.0.0.1/listen-key?token=query-token#fragment`, {}],
    [`127.0.0.1:80/listen-key?token=query-token&mail=a@b`, {}],
    [`ws://127.0.0.1:${echo.port}`, { headers: { 'Authorization: Bearer hunter2': '' } }],
    [`ws://127.0.0.1:${echo.port}`, { headers: { 'Authorization: Bearer hunter2': 7 } }],
    [`ws://127.0.0.1:${echo.port}`, { headers: [['Authorization: Bearer hunter2', null]] }],
    [`ws://127.0.0.1:${echo.port}`, { subprotocols: ['token hunter2'] }],
    [`ws://127.0.0.1:${echo.port}`, { subprotocols: ['hunter2', 'hunter2'] }],
    [`ws://127.0.0.1:${echo.port}`, { subprotocols: 'hunter2' }],
  ];
  for (const [url, options] of attempts) {
    for (const client of [NonBlockingClient, BlockingClient, AsyncClient]) {
      try {
        (await client.connect(url, options))[Symbol.dispose]();
      } catch (error) {
        seen.push(shown(error));
      }
    }
  }
  await new Promise(resolve => setTimeout(resolve, 50));
  t.true(seen.length > attempts.length * 3);
  t.true(seen.some(text => text.includes('upgraded')));
  for (const secret of secrets) {
    t.deepEqual(
      seen.filter(text => text.includes(secret)),
      [],
      `${secret} was told`,
    );
  }
});
