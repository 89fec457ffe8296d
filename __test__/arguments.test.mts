// Wrong arguments of every method, of every client: a clear error, nothing sent, and all goes on.

import test, { type ExecutionContext } from 'ava';
import {
  ControlMessage,
  type JoinHandle,
  Receiver,
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
  S9WebSocketError,
  Sender,
} from 's9-websocket';
import { EchoServer } from 's9-websocket/testing';

import { CALLBACK_WAYS, type CallbackClient } from './ways.mjs';

let server: EchoServer;
test.before(async () => {
  server = await EchoServer.start();
});
test.after.always(() => server.close());

const detached = new ArrayBuffer(8);
const viewOfDetached = new Uint8Array(detached);
const dataViewOfDetached = new DataView(detached);
structuredClone(detached, { transfer: [detached] });

const NO_TEXT: unknown[] = [undefined, null, 5, true, {}, Buffer.from('text'), Symbol('text'), 5n];
const NO_BYTES: unknown[] = [null, 5, 'text', true, {}, [1, 2], Symbol('data'), 5n];
/** Of the class by its prototype, but without bytes that native code could take. */
const NEARLY_BYTES: unknown[] = [
  Object.create(Uint8Array.prototype),
  Object.create(new Uint8Array(2)),
  new Proxy(new Uint8Array(2), {}),
  new Proxy(new Uint8Array(2), { get: (bytes, name) => Reflect.get(bytes, name) }),
];
const LONG = Buffer.alloc(126);

/** A call, what it is given, and what the error tells: the argument, the value, the range. */
type Wrong<Target> = [call: (target: Target) => unknown, message: RegExp];

interface Outlet {
  text(text: never): void;
  binary(data: never): void;
  ping(data: never): void;
  pong(data: never): void;
  close(code?: never, reason?: never): void;
}

/** What a client and a control channel have in common. */
const WRONG_MESSAGES: Wrong<Outlet>[] = [
  ...NO_TEXT.map(
    (text): Wrong<Outlet> => [
      outlet => outlet.text(text as never),
      /^invalid text: .+ \(allowed: a string\)$/,
    ],
  ),
  ...(['binary', 'ping', 'pong'] as const).flatMap(method =>
    [...NO_BYTES, ...NEARLY_BYTES, ...(method === 'binary' ? [undefined] : [])].map(
      (data): Wrong<Outlet> => [
        outlet => outlet[method](data as never),
        /^invalid data: .+ \(allowed: a Uint8Array, .+\)$/,
      ],
    ),
  ),
  ...[detached, viewOfDetached, dataViewOfDetached].flatMap(data =>
    (['binary', 'ping', 'pong'] as const).map(
      (method): Wrong<Outlet> => [
        outlet => outlet[method](data as never),
        /^invalid data: a detached buffer \(allowed: .+\)$/,
      ],
    ),
  ),
  [outlet => outlet.ping(LONG as never), /^invalid ping payload: 126 bytes \(allowed: at most 125/],
  [outlet => outlet.pong(LONG as never), /^invalid pong payload: 126 bytes \(allowed: at most 125/],
  ...[0, -1, 999, 5_000, 65_536 + 1_000, 1_000.5, Number.NaN, Infinity, '1000', null, {}, 5n].map(
    (code): Wrong<Outlet> => [
      outlet => outlet.close(code as never),
      /^invalid code: .+ \(allowed: a whole number, 1000 to 4999\)$/,
    ],
  ),
  ...[1004, 1005, 1006, 1015, 1016, 2_999].map(
    (code): Wrong<Outlet> => [
      outlet => outlet.close(code as never),
      new RegExp(`^invalid close code: ${code} \\(allowed: 1000 to 1003, 1007 to 1014, 3000 to`),
    ],
  ),
  ...[5, null, true, {}, Buffer.from('why')].map(
    (reason): Wrong<Outlet> => [
      outlet => outlet.close(1000 as never, reason as never),
      /^invalid reason: .+ \(allowed: a string\)$/,
    ],
  ),
  [
    outlet => outlet.close(1000 as never, 'é'.repeat(62) as never),
    /^invalid close reason: 124 bytes \(allowed: at most 123 bytes of UTF-8\)$/,
  ],
];

function refuses<Target>(t: ExecutionContext, target: Target, wrongs: Wrong<Target>[]): void {
  for (const [call, message] of wrongs) {
    t.throws(
      () => call(target),
      { instanceOf: S9WebSocketError, code: 'ERR_S9_INVALID_CONFIGURATION', message },
      String(message),
    );
  }
}

const WRONG_CALLS: Wrong<CallbackClient>[] = [
  ...[undefined, null, 5, 'sends', {}].map(
    (sends): Wrong<CallbackClient> => [
      client => client.cork(sends as never),
      /^invalid sends: .+ \(allowed: a function\)$/,
    ],
  ),
  ...[0, -1, 256, 1.5, Number.NaN, '64', null].map(
    (hops): Wrong<CallbackClient> => [
      client => {
        client.socket.ttl = hops as never;
      },
      /^invalid ttl: .+ \(allowed: a whole number, 1 to 255\)$/,
    ],
  ),
  ...[0, 1, 'true', null, undefined].map(
    (on): Wrong<CallbackClient> => [
      client => {
        client.socket.nodelay = on as never;
      },
      /^invalid nodelay: .+ \(allowed: true or false\)$/,
    ],
  ),
  ...[undefined, null, 5, 'handler', true].flatMap((handler): Wrong<CallbackClient>[] => [
    [client => client.runSync(handler as never), /^invalid handler: .+ \(allowed: an object/],
    [client => client.poll(handler as never), /^invalid handler: .+ \(allowed: an object/],
  ]),
  [
    client => client.runSync({ onTextMessage: 5 } as never),
    /^invalid handler\.onTextMessage: 5 \(allowed: a function, or nothing\)$/,
  ],
];

for (const [name, way] of Object.entries(CALLBACK_WAYS)) {
  test.serial(`${name}_refuses_wrong_arguments_and_goes_on`, async t => {
    const client = await way.connect(server.url, {});
    const outlet: Outlet = {
      text: text => client.sendTextMessage(text),
      binary: data => client.sendBinaryMessage(data),
      ping: data => client.sendPing(data),
      pong: data => client.sendPong(data),
      close: (code, reason) => client.close(code, reason),
    };
    const refusesAll = () => {
      refuses(t, outlet, WRONG_MESSAGES);
      refuses(t, client, WRONG_CALLS);
    };
    refusesAll();
    await t.throwsAsync(way.run(client, null as never), { message: /^invalid handler: null/ });
    const received: unknown[] = [];
    await way.run(client, {
      onActivated() {
        refusesAll();
        // What is right at the edges of what is wrong.
        client.sendPing(LONG.subarray(1));
        client.sendBinaryMessage(new Float64Array([1]));
        client.sendBinaryMessage(new SharedArrayBuffer(3) as never);
        client.sendBinaryMessage(new Uint8Array(0));
        client.sendTextMessage('\ud800');
      },
      onPong: (_, data) => void received.push(data.length),
      onBinaryMessage: (_, data) => void received.push(data.length),
      onTextMessage: (_, text) => {
        received.push(text);
        client.close(4999, 'é'.repeat(61));
      },
      onConnectionClosed: (_, reason, code) => void received.push(code, reason),
    });
    t.deepEqual(received, [125, 8, 3, 0, '\ufffd', 4999, 'é'.repeat(61)]);
    refuses(t, client, WRONG_CALLS.slice(0, 5));
  });
}

test('run_refuses_an_unknown_place', async t => {
  const client = await S9NonBlockingWebSocketClient.connect(server.url);
  for (const how of [null, 5, 'background-thread', { on: 'thread' }, { on: null }]) {
    await t.throwsAsync(client.run({}, how as never), {
      code: 'ERR_S9_INVALID_CONFIGURATION',
      message: /^invalid (how|on): /,
    });
  }
  client[Symbol.dispose]();
});

test('a_control_channel_refuses_wrong_messages_and_goes_on', async t => {
  const client = await S9AsyncNonBlockingWebSocketClient.connect(server.url);
  const { controlTx, eventRx } = client;
  const send = (type: string, fields: object) => controlTx.send({ type, ...fields } as never);
  const outlets: Outlet[] = [
    {
      text: text => send('sendText', { text }),
      binary: data => send('sendBinary', { data }),
      ping: data => send('sendPing', { data }),
      pong: data => send('sendPong', { data }),
      close: (code, reason) => send('close', { code, reason }),
    },
    {
      text: text => controlTx.send(ControlMessage.sendText(text)),
      binary: data => controlTx.send(ControlMessage.sendBinary(data)),
      ping: data => controlTx.send(ControlMessage.sendPing(data)),
      pong: data => controlTx.send(ControlMessage.sendPong(data)),
      close: (code, reason) => controlTx.send(ControlMessage.close(code, reason)),
    },
  ];
  const thread = client.run();
  for (const outlet of outlets) refuses(t, outlet, WRONG_MESSAGES);
  refuses(t, client, [
    ...[undefined, null, 5, 'close', {}, { type: 'Close' }, { type: 5 }].map(
      (message): Wrong<typeof client> => [
        () => controlTx.send(message as never),
        /^invalid message(\.type)?: .+ \(allowed: a control message\)$/,
      ],
    ),
    ...[0, -1, 1.5, '5', null, Infinity].map(
      (max): Wrong<typeof client> => [() => eventRx.drain(max as never), /^invalid max: /],
    ),
    ...[-1, '5', null, Number.NaN].flatMap((timeout): Wrong<typeof client>[] => [
      [() => eventRx.recvSync(timeout as never), /^invalid timeout: .+ \(allowed: a number of mil/],
      [() => thread.joinSync(timeout as never), /^invalid timeout: .+ \(allowed: a number of mil/],
    ]),
    ...[undefined, null, 5, '5', -1n, 2n ** 64n].flatMap((handle): Wrong<typeof client>[] => [
      [() => Receiver.fromHandle(handle as never), /^invalid handle: .+ \(allowed: the handle of/],
      [() => Sender.fromHandle(handle as never), /^invalid handle: .+ \(allowed: the handle of/],
    ]),
  ]);
  t.throws(() => Receiver.fromHandle(2n ** 63n), { code: 'ERR_S9_CHANNEL_DISCONNECTED' });
  t.throws(() => Sender.fromHandle(0n), { code: 'ERR_S9_CHANNEL_DISCONNECTED' });
  t.throws(() => client.run(), { code: 'ERR_S9_SOCKET_UNAVAILABLE' });
  t.is(client.socket, null);
  controlTx.send(ControlMessage.sendText('goes on'));
  const types: string[] = [];
  for await (const event of eventRx) {
    types.push(event.type);
    if (event.type === 'textMessage') controlTx.send(ControlMessage.close());
  }
  t.deepEqual(types, ['activated', 'textMessage', 'connectionClosed', 'quit']);
  await isOver(t, client, thread);
});

/** The async client once its events have been received. */
async function isOver(
  t: ExecutionContext,
  { controlTx, eventRx, ...client }: S9AsyncNonBlockingWebSocketClient,
  thread: JoinHandle,
) {
  await thread.join();
  t.true(thread.isFinished);
  t.true(thread.joinSync(0));
  t.deepEqual(client, {});
  t.throws(() => eventRx.tryRecv(), { code: 'ERR_S9_CHANNEL_DISCONNECTED' });
  t.throws(() => eventRx.recvSync(1), { code: 'ERR_S9_CHANNEL_DISCONNECTED' });
  await t.throwsAsync(eventRx.recv(), { code: 'ERR_S9_CHANNEL_DISCONNECTED' });
  t.deepEqual(eventRx.drain(), []);
  t.is(eventRx.length, 0);
  for (const message of [ControlMessage.sendText('late'), ControlMessage.sendPing()]) {
    t.throws(() => controlTx.send(message), { code: 'ERR_S9_CONNECTION_CLOSED' });
  }
  t.notThrows(() => controlTx.send(ControlMessage.close()));
  t.notThrows(() => controlTx.send(ControlMessage.forceQuit()));
  for await (const event of eventRx) t.fail(`${event.type} came`);
}

/** What is no place to connect to, and why. */
const WRONG_URLS: Array<[unknown, string, RegExp]> = [
  ...[undefined, null, 5, {}, [], Symbol('url')].map((url): [unknown, string, RegExp] => [
    url,
    'CONFIGURATION',
    /^invalid url: .+ \(allowed: a string or a URL\)$/,
  ]),
  ['', 'URI', /relative URL without a base/],
  ['127.0.0.1:80', 'URI', /ws:\/\/ or wss:\/\//],
  ['http://127.0.0.1', 'URI', /"http", only ws and wss/],
  [new URL('https://127.0.0.1'), 'URI', /"https", only ws and wss/],
  ['ws://', 'URI', /host/],
  ['ws:///feed', 'URI', /host is empty/],
  ['ws://127.0.0.1:0', 'URI', /port is 0/],
  ['ws://127.0.0.1:65536', 'URI', /port/],
  ['ws://127.0.0.1/#top', 'URI', /fragment/],
  ['ws://127.0.0.1/\r\nX: y', 'URI', /control character/],
  ['ws://a b/', 'URI', /domain|host/],
  ['ws://[::1', 'URI', /IPv6/],
];

for (const Client of [
  S9NonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9AsyncNonBlockingWebSocketClient,
]) {
  test(`${Client.name}_refuses_wrong_urls`, async t => {
    for (const [url, code, message] of WRONG_URLS) {
      const expected = { instanceOf: S9WebSocketError, code: `ERR_S9_INVALID_${code}`, message };
      t.throws(() => Client.connectSync(url as never), expected, String(url));
      await t.throwsAsync(Client.connect(url as never), expected, String(url));
      t.throws(() => Client.connectWithHeadersSync(url as never, {}), expected, String(url));
      await t.throwsAsync(Client.connectWithHeaders(url as never, {}), expected, String(url));
    }
  });

  test(`${Client.name}_never_tells_the_password_of_a_url`, async t => {
    for (const url of [
      'ws://user:hunter2@:80',
      'http://user:hunter2@host',
      'ws://u:hunter2@h/#x',
    ]) {
      const error = await t.throwsAsync(Client.connect(url), { code: 'ERR_S9_INVALID_URI' });
      t.notRegex(String(error), /hunter2/);
    }
  });

  test(`${Client.name}_refuses_wrong_headers_beside_the_options`, async t => {
    const refusal = { code: 'ERR_S9_INVALID_CONFIGURATION', message: /^invalid headers/ };
    for (const headers of [null, 5, 'X-A: b', { 'X-A': 5 }, { Upgrade: 'h2c' }, { 'X-A': 'b\n' }]) {
      const { url } = server;
      t.throws(() => Client.connectWithHeadersSync(url, headers as never), refusal);
      await t.throwsAsync(Client.connectWithHeaders(url, headers as never), refusal);
    }
  });

  test(`${Client.name}_gives_up_connecting_when_told`, async t => {
    const mine = new Error('mine');
    const aborted = AbortSignal.abort(mine);
    t.is(await t.throwsAsync(Client.connect(server.url, { signal: aborted })), mine);
    t.is(
      t.throws(() => Client.connectSync(server.url, { signal: aborted })),
      mine,
    );
    const controller = new AbortController();
    const connecting = Client.connect(server.url, { signal: controller.signal });
    controller.abort(mine);
    t.is(await t.throwsAsync(connecting), mine);
  });

  test(`${Client.name}_names_the_error_of_a_port_where_nobody_listens`, async t => {
    const gone = await EchoServer.start();
    await gone.close();
    const error = await t.throwsAsync(Client.connect(gone.url), { code: 'ERR_S9_IO' });
    t.like(error?.cause, { code: 'ECONNREFUSED' });
    t.throws(() => Client.connectSync(gone.url), { code: 'ERR_S9_IO' });
  });
}
