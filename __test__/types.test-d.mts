// Pins the public types, as an ES module sees them. Compiled, never run.

import {
  AsyncNonBlockingOptions,
  BlockingOptions,
  type BlockingOptionsInit,
  type CallbackClient,
  type CommonOptionsInit,
  ControlMessage,
  type JoinHandle,
  type LogLevel,
  NonBlockingOptions,
  type NonBlockingOptionsInit,
  Receiver,
  type RefusedUpgrade,
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
  type S9Socket,
  type S9WebSocketClientHandler,
  type S9WebSocketError,
  type S9WebSocketErrorCode,
  type Sender,
  setLogger,
  type UpgradeResponse,
  type WebSocketEvent,
} from 's9-websocket';
import { EchoServer } from 's9-websocket/testing';

/** True only if both types are the same. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}
declare function value<T>(): T;

export async function nonBlockingClient(): Promise<void> {
  const client = await S9NonBlockingWebSocketClient.connect('ws://localhost');
  same<typeof client, S9NonBlockingWebSocketClient>(true);
  await S9NonBlockingWebSocketClient.connect(new URL('ws://localhost'), { nodelay: true });
  await S9NonBlockingWebSocketClient.connect('ws://x', new NonBlockingOptions().nodelay(true));
  await S9NonBlockingWebSocketClient.connect('ws://x', { signal: AbortSignal.timeout(1) });
  same<ReturnType<typeof S9NonBlockingWebSocketClient.connectSync>, S9NonBlockingWebSocketClient>(
    true,
  );
  S9NonBlockingWebSocketClient.connectWithHeadersSync('ws://x', new Map([['a', 'b']]));
  S9NonBlockingWebSocketClient.connectWithHeadersSync('ws://x', { a: 'b', c: ['d', 'e'] }, {});
  await S9NonBlockingWebSocketClient.connectWithHeaders('ws://x', [['a', 'b']]);

  same<ReturnType<typeof client.run>, Promise<void>>(true);
  await client.run({});
  await client.run({}, { on: 'background-thread' });
  await client.run({}, { on: 'event-loop' });
  same<ReturnType<typeof client.runSync>, void>(true);
  same<ReturnType<typeof client.poll>, boolean>(true);
  client.runSync({
    onActivated: of => same<typeof of, S9NonBlockingWebSocketClient>(true),
    onTextMessage(of, data) {
      same<typeof of, S9NonBlockingWebSocketClient>(true);
      same<typeof data, string>(true);
    },
    onBinaryMessage: (_, data) => same<typeof data, Buffer>(true),
    onPing: (_, data) => same<typeof data, Buffer>(true),
    onPong: (_, data) => same<typeof data, Buffer>(true),
    onConnectionClosed(_, reason, code) {
      same<typeof reason, string | null>(true);
      same<typeof code, number>(true);
    },
    onError: (_, error) => same<typeof error, S9WebSocketError>(true),
    onPoll: () => {},
    onIdle: () => {},
    onQuit: () => {},
  });
  await client.run({ onTextMessage: (_, data: Buffer) => data.length });

  client.sendTextMessage('text');
  client.sendTextMessage('text', { compress: false });
  client.sendBinaryMessage(Buffer.of(1), {});
  client.sendBinaryMessage(Buffer.of(1));
  client.sendBinaryMessage(new ArrayBuffer(1));
  client.sendBinaryMessage(new DataView(new ArrayBuffer(1)));
  client.sendBinaryMessage(new Float64Array(new SharedArrayBuffer(8)));
  client.sendPing();
  client.sendPong(Buffer.of(1));
  client.close();
  client.close(1000, 'done');
  client.forceQuit();
  client.cork(() => client.sendTextMessage('text'));
  same<typeof client.bufferedAmount, number>(true);
  same<typeof client.receivedAt, number>(true);
  same<typeof client.backlog, number>(true);
  same<typeof client.socket, S9Socket>(true);
  same<typeof client.response, UpgradeResponse>(true);
  same<typeof client.response.extensions, string>(true);
  client[Symbol.dispose]();

  // @ts-expect-error: clients are made by connect
  new S9NonBlockingWebSocketClient();
  // @ts-expect-error: no URL
  await S9NonBlockingWebSocketClient.connect();
  // @ts-expect-error: an unknown option
  await S9NonBlockingWebSocketClient.connect('ws://x', { noDelay: true });
  // @ts-expect-error: an option of the blocking client
  await S9NonBlockingWebSocketClient.connect('ws://x', { readTimeout: 1 });
  // @ts-expect-error: an option of the async client
  await S9NonBlockingWebSocketClient.connect('ws://x', { eventCapacity: 1 });
  // @ts-expect-error: no such place
  await client.run({}, { on: 'worker' });
  // @ts-expect-error: no such callback
  await client.run({ onMessage() {} });
  client.runSync(value<S9WebSocketClientHandler<S9NonBlockingWebSocketClient>>());
  // @ts-expect-error: text messages are strings or Buffers
  client.runSync({ onTextMessage: (_, data: number) => data });
  // @ts-expect-error: not text
  client.sendTextMessage(42);
  // @ts-expect-error: an unknown option
  client.sendTextMessage('text', { compressed: false });
  // @ts-expect-error: not bytes
  client.sendBinaryMessage('text');
  // @ts-expect-error: read-only
  client.backlog = 0;
}

export async function blockingClient(): Promise<void> {
  using client = await S9BlockingWebSocketClient.connect('ws://x', { readTimeout: 1 });
  same<typeof client, S9BlockingWebSocketClient>(true);
  S9BlockingWebSocketClient.connectSync('ws://x', new BlockingOptions().writeTimeout(null));
  await client.run({ onTextMessage: of => same<typeof of, S9BlockingWebSocketClient>(true) });
  client.runSync({});

  // @ts-expect-error: a blocking read must never stop the event loop
  await client.run({}, { on: 'event-loop' });
  // @ts-expect-error: options of another client
  S9BlockingWebSocketClient.connectSync('ws://x', new NonBlockingOptions());
}

/** Of a program that works with any client, or with any that has a handler. */
export async function anyClient(common: CommonOptionsInit): Promise<CallbackClient[]> {
  await S9AsyncNonBlockingWebSocketClient.connect('ws://x', common);
  const client: CallbackClient = await S9BlockingWebSocketClient.connect('ws://x', common);
  client.sendTextMessage('text');
  client.poll({ onTextMessage: of => same<typeof of, CallbackClient>(true) });
  return [client, await S9NonBlockingWebSocketClient.connect('ws://x', common)];
}

export async function asyncClient(): Promise<void> {
  using client = await S9AsyncNonBlockingWebSocketClient.connect('ws://x', { eventCapacity: 1 });
  S9AsyncNonBlockingWebSocketClient.connectSync('ws://x', new NonBlockingOptions());
  S9AsyncNonBlockingWebSocketClient.connectSync('ws://x', new AsyncNonBlockingOptions());
  same<typeof client.eventRx, Receiver<WebSocketEvent>>(true);
  same<typeof client.controlTx, Sender<ControlMessage>>(true);
  same<typeof client.socket, S9Socket | null>(true);
  same<typeof client.bufferedAmount, number>(true);
  const handle = client.run();
  same<typeof handle, JoinHandle>(true);
  same<ReturnType<JoinHandle['join']>, Promise<void>>(true);
  same<ReturnType<JoinHandle['joinSync']>, boolean>(true);
  handle.joinSync(1);
  same<typeof handle.isFinished, boolean>(true);

  const { eventRx, controlTx } = client;
  for await (const event of eventRx) same<typeof event, WebSocketEvent>(true);
  same<ReturnType<typeof eventRx.recv>, Promise<WebSocketEvent>>(true);
  same<ReturnType<typeof eventRx.recvSync>, WebSocketEvent | undefined>(true);
  same<ReturnType<typeof eventRx.tryRecv>, WebSocketEvent | undefined>(true);
  same<ReturnType<typeof eventRx.drain>, WebSocketEvent[]>(true);
  eventRx.recvSync(1);
  eventRx.drain(1);
  same<typeof eventRx.length, number>(true);
  same<typeof eventRx.handle, bigint>(true);
  same<ReturnType<typeof Receiver.fromHandle>, Receiver<WebSocketEvent>>(true);
  same<ReturnType<typeof Sender.fromHandle>, Sender<ControlMessage>>(true);

  controlTx.send({ type: 'sendText', text: 'text' });
  controlTx.send({ type: 'sendBinary', data: Buffer.of(1) });
  controlTx.send({ type: 'close' });
  controlTx.send({ type: 'sendText', text: 'text', compress: false });
  controlTx.send(ControlMessage.sendText('text'));
  controlTx.send(ControlMessage.sendText('text', { compress: false }));
  controlTx.send(ControlMessage.sendBinary(Buffer.of(1), { compress: false }));
  controlTx.send(ControlMessage.sendBinary(Buffer.of(1)));
  controlTx.send(ControlMessage.sendPing());
  controlTx.send(ControlMessage.sendPong(Buffer.of(1)));
  controlTx.send(ControlMessage.close(1000, 'done'));
  controlTx.send(ControlMessage.forceQuit());

  // @ts-expect-error: clients are made by connect
  new S9AsyncNonBlockingWebSocketClient();
  // @ts-expect-error: no such message
  controlTx.send({ type: 'send', text: 'text' });
  // @ts-expect-error: the text is missing
  controlTx.send({ type: 'sendText' });
  // @ts-expect-error: a number is no handle
  Receiver.fromHandle(1);
}

export function events(event: WebSocketEvent): void {
  same<typeof event.receivedAt, number>(true);
  switch (event.type) {
    case 'textMessage':
      same<typeof event.data, string>(true);
      break;
    case 'binaryMessage':
    case 'ping':
    case 'pong':
      same<typeof event.data, Buffer>(true);
      break;
    case 'connectionClosed':
      same<typeof event.code, number>(true);
      same<typeof event.reason, string | null>(true);
      break;
    case 'error':
      same<typeof event.error, S9WebSocketError>(true);
      break;
    case 'activated':
    case 'quit':
      // @ts-expect-error: no data
      void event.data;
      break;
    default:
      same<typeof event, never>(true);
  }
}

export function options(): void {
  const options = new NonBlockingOptions()
    .spinWaitDuration(null)
    .spinWaitDuration(0.5)
    .nodelay(true)
    .ttl(64)
    .headers({ a: 'b' })
    .subprotocols(['a'])
    .perMessageDeflate(true)
    .perMessageDeflate({
      level: 1,
      threshold: 0,
      memLevel: 8,
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 8,
      clientMaxWindowBits: 9,
    })
    .connectTimeout(1)
    .closeTimeout(1)
    .maxMessageSize(1)
    .maxFrameSize(1)
    .maxBufferedAmount(1)
    .textFormat('buffer')
    .reuseBuffers(true)
    .localAddress('::1')
    .keepAlive(1000)
    .receiveBufferSize(1)
    .sendBufferSize(1)
    .busyPoll(50)
    .quickAck(true)
    .cpuAffinity(0)
    .signal(AbortSignal.abort())
    .tls({
      ca: ['pem', Buffer.of(1)],
      cert: 'pem',
      key: 'pem',
      pfx: Buffer.of(1),
      passphrase: 'secret',
      servername: 'a',
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      alpnProtocols: ['http/1.1'],
    });
  same<typeof options, NonBlockingOptions>(true);
  const blocking = new BlockingOptions().nodelay(true).readTimeout(1).writeTimeout(1).ttl(1);
  same<typeof blocking, BlockingOptions>(true);
  const plain: BlockingOptionsInit = value<NonBlockingOptionsInit>();
  void plain;

  // @ts-expect-error: an option of the blocking client
  options.readTimeout(1);
  // @ts-expect-error: not milliseconds
  options.connectTimeout('1s');
  // @ts-expect-error: no such format
  options.textFormat('utf8');
  // @ts-expect-error: an option of the clients with callbacks
  value<AsyncNonBlockingOptions>().reuseBuffers(true);
  // @ts-expect-error: an unknown option
  options.perMessageDeflate({ windowBits: 9 });
  // @ts-expect-error: no such version
  options.tls({ minVersion: 'SSLv3' });
}

export function errors(error: S9WebSocketError): void {
  const asError: Error = error;
  void asError;
  same<typeof error.code, S9WebSocketErrorCode>(true);
  same<typeof error.cause, unknown>(true);
  same<typeof error.response, RefusedUpgrade | undefined>(true);
  same<
    S9WebSocketErrorCode,
    | 'ERR_S9_INVALID_URI'
    | 'ERR_S9_INVALID_CONFIGURATION'
    | 'ERR_S9_CONNECTION_CLOSED'
    | 'ERR_S9_SOCKET_UNAVAILABLE'
    | 'ERR_S9_IO'
    | 'ERR_S9_TIMEOUT'
    | 'ERR_S9_TLS'
    | 'ERR_S9_HANDSHAKE'
    | 'ERR_S9_PROTOCOL'
    | 'ERR_S9_INVALID_UTF8'
    | 'ERR_S9_MESSAGE_TOO_LARGE'
    | 'ERR_S9_WRITE_BUFFER_FULL'
    | 'ERR_S9_CHANNEL_DISCONNECTED'
  >(true);
  // @ts-expect-error: no such code
  void (error.code === 'ERR_S9_UNKNOWN');
}

export function socket(socket: S9Socket): void {
  same<typeof socket.localAddress, string>(true);
  same<typeof socket.localPort, number>(true);
  same<typeof socket.remoteAddress, string>(true);
  same<typeof socket.remotePort, number>(true);
  same<typeof socket.fd, number>(true);
  socket.nodelay = socket.nodelay === false;
  socket.ttl = socket.ttl + 1;
  same<typeof socket.tls, import('s9-websocket').TlsFacts | null>(true);
  // @ts-expect-error: read-only
  socket.fd = 1;
}

export async function logging(level: LogLevel): Promise<void> {
  setLogger(level, record => {
    same<typeof record.level, 'error' | 'warn' | 'info' | 'debug' | 'trace'>(true);
    same<typeof record.message, string>(true);
    same<typeof record.fields, Record<string, string>>(true);
  });
  setLogger('off');
  // @ts-expect-error: no such level
  setLogger('verbose', () => {});
}

export async function echoServer(): Promise<void> {
  await using server = await EchoServer.start({ tls: true, port: 0 });
  same<typeof server.url, string>(true);
  same<typeof server.port, number>(true);
  same<typeof server.ca, string | undefined>(true);
  await server.close();
  using second = await EchoServer.start();
  void second;
  // @ts-expect-error: no such option
  await EchoServer.start({ host: 'localhost' });
}
