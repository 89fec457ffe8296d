// What docs/parity.md promises of the TypeScript face and no other test shows.

import { createServer } from 'node:net';

import test from 'ava';
import {
  ControlMessage,
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
  type S9WebSocketClientHandler,
  S9WebSocketError,
  type WebSocketEvent,
} from 's9-websocket';

import { Peer } from './peer.mjs';

const CALLBACK_CLIENTS = {
  non_blocking: S9NonBlockingWebSocketClient,
  blocking: S9BlockingWebSocketClient,
};
const CLIENTS = { ...CALLBACK_CLIENTS, async: S9AsyncNonBlockingWebSocketClient };
type CallbackClient = S9NonBlockingWebSocketClient | S9BlockingWebSocketClient;
type Callbacks = S9WebSocketClientHandler<CallbackClient>;

const RUNS: Record<string, (client: CallbackClient, handler: Callbacks) => Promise<void> | void> = {
  run: (client, handler) => client.run(handler),
  run_sync: (client, handler) => client.runSync(handler),
};

/** The types of the events up to the end. */
async function toTheEnd(client: S9AsyncNonBlockingWebSocketClient): Promise<WebSocketEvent[]> {
  const events: WebSocketEvent[] = [];
  for await (const event of client.eventRx) events.push(event);
  return events;
}

for (const [name, Client] of Object.entries(CLIENTS)) {
  test.serial(`${name}_connects_in_four_ways_and_closes_with_1000_when_disposed_of`, async t => {
    await using peer = await Peer.start();
    const { url } = peer;
    const options = { headers: { 'X-Option': 'o' } };
    const record = { 'X-Token': 'a, b' };
    const map = new Map(Object.entries(record));
    for (const [connected, token] of [
      [Client.connect(url, options), undefined],
      [Client.connectSync(new URL(url), options), undefined],
      [Client.connectWithHeaders(url, record, options), 'a, b'],
      [Client.connectWithHeadersSync(url, map, options), 'a, b'],
    ] as const) {
      const client = await connected;
      t.is(client.response.status, 101);
      client[Symbol.dispose]();
      const seen = await peer.seen();
      t.is(seen.headers['x-token'], token);
      t.is(seen.headers['x-option'], 'o');
      t.deepEqual(seen.lines, ['close 1000']);
    }
  });

  test.serial(`${name}_has_nodelay_and_ttl_on_its_socket_and_can_change_them`, async t => {
    await using peer = await Peer.start();
    using client = await Client.connect(peer.url, { nodelay: true, ttl: 9 });
    const socket = client.socket!;
    t.deepEqual([socket.nodelay, socket.ttl], [true, 9]);
    socket.nodelay = false;
    socket.ttl = 8;
    t.deepEqual([client.socket!.nodelay, client.socket!.ttl], [false, 8]);
    t.is(`ws://${socket.remoteAddress}:${socket.remotePort}`, peer.url);
    t.is(socket.localAddress, '127.0.0.1');
    t.true(socket.localPort > 0);
    t.is(socket.tls, null);
  });
}

for (const [name, Client] of Object.entries(CALLBACK_CLIENTS)) {
  for (const [way, run] of Object.entries(RUNS)) {
    test.serial(`${name}_${way}_tells_and_sends_everything_by_its_name`, async t => {
      await using peer = await Peer.start();
      const client = await Client.connect(peer.url, { nodelay: true });
      const log: string[] = [];
      await run(client, {
        onActivated(client) {
          log.push('activated');
          client.sendTextMessage('send text');
        },
        onTextMessage(client, data) {
          log.push(`text ${data}`);
          client.sendTextMessage('send binary');
        },
        onBinaryMessage(client, data) {
          log.push(`binary ${data}`);
          client.sendBinaryMessage(Buffer.from('bytes'));
          client.sendPong(Buffer.from('unasked'));
          client.sendTextMessage('ping');
        },
        onPing(client, data) {
          log.push(`ping ${data}`);
          client.sendPing(Buffer.from('from the client'));
        },
        onPong(client, data) {
          log.push(`pong ${data}`);
          client.close(3001, 'done');
        },
        onConnectionClosed: (_, reason, code) => log.push(`closed ${code} ${reason}`),
        onError: (_, error) => log.push(error.code),
        onQuit: () => log.push('quit'),
      });
      t.deepEqual(log, [
        'activated',
        'text text',
        'binary binary',
        'ping from the server',
        'pong from the client',
        'closed 3001 done',
        'quit',
      ]);
      t.deepEqual((await peer.seen()).lines, [
        'text send text',
        'text send binary',
        'binary bytes',
        'pong unasked',
        'text ping',
        'pong from the server',
        'ping from the client',
        'close 3001 done',
      ]);
    });

    test.serial(`${name}_${way}_tells_a_failure_and_then_quits`, async t => {
      await using peer = await Peer.start();
      const client = await Client.connect(peer.url);
      const log: unknown[] = [];
      await run(client, {
        onActivated: client => client.sendTextMessage('vanish'),
        onConnectionClosed: () => log.push('closed'),
        onError(_, error) {
          log.push(error instanceof S9WebSocketError, error.code);
        },
        onQuit: () => log.push('quit'),
      });
      t.deepEqual(log, [true, 'ERR_S9_CONNECTION_CLOSED', 'quit']);
      t.throws(() => client.sendTextMessage('late'), { code: 'ERR_S9_CONNECTION_CLOSED' });
    });

    test.serial(
      `${name}_${way}_polls_before_and_idles_after_empty_turns_at_most_so_often`,
      async t => {
        await using peer = await Peer.start();
        const waiting = name === 'blocking' ? { readTimeout: 20 } : { spinWaitDuration: 20 };
        const client = await Client.connect(peer.url, waiting);
        // A Rust thread hands batches over, the first of which tells that it runs.
        const wanted = name === 'blocking' && way === 'run' ? 1 : 4;
        let polls = 0;
        let idles = 0;
        const began = performance.now();
        await run(client, {
          onPoll: () => void polls++,
          onIdle(client) {
            if (++idles === wanted) client.close();
          },
        });
        t.true(polls >= idles && idles >= wanted, `${polls} polls, ${idles} idles`);
        if (wanted > 1) t.true(performance.now() - began >= 50);
      },
    );
  }

  test.serial(`${name}_force_quit_from_the_first_poll_brings_nothing_but_quit`, async t => {
    await using peer = await Peer.start();
    const client = await Client.connect(peer.url);
    const log: string[] = [];
    client.runSync({
      onPoll: client => client.forceQuit(),
      onConnectionClosed: () => log.push('closed'),
      onError: () => log.push('error'),
      onQuit: () => log.push('quit'),
    });
    t.deepEqual(log, ['quit']);
    // 1006: no Close frame came.
    t.deepEqual((await peer.seen()).lines, ['close 1006']);
  });
}

test.serial('text_format_buffer_delivers_text_as_bytes', async t => {
  await using peer = await Peer.start();
  const options = { textFormat: 'buffer' } as const;
  for (const Client of Object.values(CALLBACK_CLIENTS)) {
    const client = await Client.connect(peer.url, options);
    client.runSync({
      onActivated: client => client.sendTextMessage('send text'),
      onTextMessage(client, data: Buffer) {
        t.true(data.equals(Buffer.from('text')));
        client.close();
      },
    });
  }
  const client = await S9AsyncNonBlockingWebSocketClient.connect(peer.url, options);
  client.run();
  client.controlTx.send(ControlMessage.sendText('send text'));
  client.controlTx.send(ControlMessage.sendText('close'));
  t.like((await toTheEnd(client))[1], { type: 'textMessage', data: Buffer.from('text') });
});

test.serial('a_signal_gives_connecting_up', async t => {
  // Accepts and says nothing.
  const server = createServer(socket => socket.on('error', () => {}).resume());
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  for (const Client of Object.values(CLIENTS)) {
    const abort = new AbortController();
    const reason = new Error('enough');
    server.once('connection', () => abort.abort(reason));
    const { signal } = abort;
    const error = await t.throwsAsync(Client.connect(`ws://127.0.0.1:${port}`, { signal }));
    t.is(error, reason);
  }
  server.close();
});

test.serial('without_spin_wait_duration_turns_follow_each_other_at_once', async t => {
  const turnsOf = async (spinWaitDuration: number | null) => {
    await using peer = await Peer.start();
    const client = await S9NonBlockingWebSocketClient.connect(peer.url, { spinWaitDuration });
    let turns = 0;
    const end = performance.now() + 200;
    client.runSync({
      onIdle(client) {
        turns++;
        if (performance.now() > end) client.forceQuit();
      },
    });
    return turns;
  };
  const [spinning, waiting] = [await turnsOf(null), await turnsOf(40)];
  t.true(waiting <= 7, `${waiting} turns of 40 ms in 200 ms`);
  t.true(spinning > 20 * waiting, `${spinning} against ${waiting} turns`);
});

test.serial('ten_clients_share_one_event_loop', async t => {
  await using peer = await Peer.start();
  const clients = await Promise.all(
    Array.from({ length: 10 }, () => S9NonBlockingWebSocketClient.connect(peer.url)),
  );
  const awaited = new Set(clients);
  await Promise.all(
    clients.map(client =>
      client.run({
        onActivated: client => client.sendTextMessage('send text'),
        onTextMessage(client) {
          awaited.delete(client);
          // None ends before all have been served.
          if (awaited.size === 0) for (const each of clients) each.close();
        },
      }),
    ),
  );
  t.is(awaited.size, 0);
});

test.serial('every_control_message_does_what_its_name_says', async t => {
  await using peer = await Peer.start();
  const client = await S9AsyncNonBlockingWebSocketClient.connect(peer.url);
  const { controlTx } = client;
  controlTx.send(ControlMessage.sendText('text'));
  controlTx.send(ControlMessage.sendBinary(Buffer.from('bytes')));
  controlTx.send(ControlMessage.sendPing(Buffer.from('ping')));
  controlTx.send(ControlMessage.sendPong(Buffer.from('pong')));
  controlTx.send(ControlMessage.close(3001, 'done'));
  client.run();
  const events = await toTheEnd(client);
  t.deepEqual((await peer.seen()).lines, [
    'text text',
    'binary bytes',
    'ping ping',
    'pong pong',
    'close 3001 done',
  ]);
  t.is(events.at(-1)?.type, 'quit');
  t.like(events.at(-2), { type: 'connectionClosed', code: 3001, reason: 'done' });

  const other = await S9AsyncNonBlockingWebSocketClient.connect(peer.url);
  other.controlTx.send(ControlMessage.forceQuit());
  other.run();
  t.deepEqual(
    (await toTheEnd(other)).map(({ type }) => type).filter(type => type !== 'activated'),
    ['quit'],
  );
  t.deepEqual((await peer.seen()).lines, ['close 1006']);
});

test.serial('every_event_comes_over_the_channel', async t => {
  await using peer = await Peer.start();
  const connect = async (...commands: ControlMessage[]) => {
    const client = await S9AsyncNonBlockingWebSocketClient.connect(peer.url);
    client.run();
    for (const command of commands) client.controlTx.send(command);
    return (await toTheEnd(client)).map(event => {
      if (event.type === 'error') return `error ${event.error.code}`;
      if (event.type === 'connectionClosed') return `closed ${event.code} ${event.reason}`;
      return 'data' in event ? `${event.type} ${event.data}` : event.type;
    });
  };
  const { sendText, sendPing } = ControlMessage;
  const commands = [sendText('send text'), sendText('send binary'), sendText('ping')];
  t.deepEqual(await connect(...commands, sendPing(Buffer.from('x')), sendText('close')), [
    'activated',
    'textMessage text',
    'binaryMessage binary',
    'ping from the server',
    'pong x',
    'closed 4001 bye',
    'quit',
  ]);
  t.deepEqual(await connect(sendText('vanish')), [
    'activated',
    'error ERR_S9_CONNECTION_CLOSED',
    'quit',
  ]);
});

test.serial('events_are_received_with_and_without_blocking', async t => {
  await using peer = await Peer.start();
  const client = await S9AsyncNonBlockingWebSocketClient.connect(peer.url);
  const { controlTx, eventRx } = client;
  t.is(eventRx.tryRecv(), undefined);
  t.is(eventRx.recvSync(10), undefined);
  const thread = client.run();
  t.is(eventRx.recvSync()?.type, 'activated');
  controlTx.send(ControlMessage.sendText('send text'));
  t.like(await eventRx.recv(), { type: 'textMessage', data: 'text' });
  controlTx.send(ControlMessage.close());
  t.true(thread.joinSync(20_000));
  t.deepEqual([eventRx.length, eventRx.tryRecv()?.type], [2, 'connectionClosed']);
  t.deepEqual(
    eventRx.drain().map(({ type }) => type),
    ['quit'],
  );
  await t.throwsAsync(eventRx.recv(), { code: 'ERR_S9_CHANNEL_DISCONNECTED' });
});

test.serial('run_returns_at_once_moves_the_socket_to_the_thread_and_works_once', async t => {
  await using peer = await Peer.start();
  const client = await S9AsyncNonBlockingWebSocketClient.connect(peer.url);
  t.not(client.socket, null);
  const thread = client.run();
  t.false(thread.isFinished);
  t.is(client.socket, null);
  t.throws(() => client.run(), {
    instanceOf: S9WebSocketError,
    code: 'ERR_S9_SOCKET_UNAVAILABLE',
  });
  client[Symbol.dispose]();
  await thread.join();
  t.true(thread.isFinished);
  t.deepEqual((await peer.seen()).lines, ['close 1000']);
});

test.serial('an_error_of_the_system_keeps_its_cause', async t => {
  // A port that was free a moment ago and on which nobody listens.
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise(resolve => server.close(resolve));
  for (const Client of Object.values(CLIENTS)) {
    const error = await t.throwsAsync(Client.connect(`ws://127.0.0.1:${port}`), {
      instanceOf: S9WebSocketError,
      code: 'ERR_S9_IO',
    });
    t.is((error?.cause as { code?: string } | undefined)?.code, 'ECONNREFUSED');
    t.true(error?.message.includes(String(port)));
    t.throws(() => Client.connectSync('http://x'), { code: 'ERR_S9_INVALID_URI' });
    t.throws(() => Client.connectSync('ws://x', { nodelay: 1 } as object), {
      code: 'ERR_S9_INVALID_CONFIGURATION',
    });
  }
});
