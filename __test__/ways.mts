// Every way to run a client, behind one shape: connect, react to what comes, speak.

import type { ExecutionContext } from 'ava';
import {
  type BlockingOptionsInit,
  ControlMessage,
  type NonBlockingOptionsInit,
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
  type S9WebSocketClientHandler,
  type WebSocketEvent,
} from 's9-websocket';

/** What a client is told to do, whichever it is. */
export interface Speaker {
  text(text: string): void;
  binary(data: Uint8Array): void;
  ping(data: Uint8Array): void;
  pong(data: Uint8Array): void;
  close(code?: number, reason?: string): void;
  forceQuit(): void;
  readonly bufferedAmount: number;
}

export type CallbackClient = S9NonBlockingWebSocketClient | S9BlockingWebSocketClient;
export type Handler = S9WebSocketClientHandler<CallbackClient>;
export type React = (event: WebSocketEvent, speaker: Speaker) => void;
export type Options = NonBlockingOptionsInit &
  Pick<BlockingOptionsInit, 'readTimeout' | 'writeTimeout'>;

/** A way to run a client; `run` fails as connecting or running does. */
export interface Way {
  readonly blocking: boolean;
  /** Nothing else runs in the process meanwhile. */
  readonly blocksThread: boolean;
  /** `onIdle` is for the ways that block the thread: no timer goes on there. */
  run(url: string, options: Options, react: React, onIdle?: () => void): Promise<void>;
}

/** A way to run a client that calls a handler back. */
export interface CallbackWay<Client extends CallbackClient = CallbackClient> {
  readonly blocking: boolean;
  /** Nothing else runs in the process meanwhile. */
  readonly blocksThread: boolean;
  /** Every turn of the loop is told to `onPoll` and `onIdle`. */
  connect(url: string, options: Options): Promise<Client>;
  run(client: Client, handler: Handler): Promise<void>;
}

/** Keeps `connect` and `run` of one kind of client together. */
function callbackWay<Client extends CallbackClient>(way: CallbackWay<Client>): CallbackWay {
  return way as unknown as CallbackWay;
}

const connectNonBlocking = (url: string, options: Options) =>
  S9NonBlockingWebSocketClient.connect(url, options);
const connectBlocking = (url: string, options: Options) =>
  S9BlockingWebSocketClient.connect(url, options);

export const CALLBACK_WAYS: Record<string, CallbackWay> = {
  non_blocking_run: callbackWay<S9NonBlockingWebSocketClient>({
    blocking: false,
    blocksThread: false,
    connect: connectNonBlocking,
    run: (client, handler) => client.run(handler),
  }),
  non_blocking_run_waiting: callbackWay<S9NonBlockingWebSocketClient>({
    blocking: false,
    blocksThread: false,
    connect: (url, options) => connectNonBlocking(url, { ...options, spinWaitDuration: 50 }),
    run: (client, handler) => client.run(handler),
  }),
  non_blocking_run_sync: callbackWay<S9NonBlockingWebSocketClient>({
    blocking: false,
    blocksThread: true,
    connect: async (url, options) => S9NonBlockingWebSocketClient.connectSync(url, options),
    run: async (client, handler) => client.runSync(handler),
  }),
  non_blocking_thread: callbackWay<S9NonBlockingWebSocketClient>({
    blocking: false,
    blocksThread: false,
    connect: connectNonBlocking,
    run: (client, handler) => client.run(handler, { on: 'background-thread' }),
  }),
  non_blocking_poll: callbackWay<S9NonBlockingWebSocketClient>({
    blocking: false,
    blocksThread: true,
    connect: connectNonBlocking,
    run: async (client, handler) => {
      while (client.poll(handler));
    },
  }),
  blocking_run: callbackWay<S9BlockingWebSocketClient>({
    blocking: true,
    blocksThread: false,
    connect: connectBlocking,
    run: (client, handler) => client.run(handler),
  }),
  blocking_run_sync: callbackWay<S9BlockingWebSocketClient>({
    blocking: true,
    blocksThread: true,
    connect: async (url, options) => S9BlockingWebSocketClient.connectSync(url, options),
    run: async (client, handler) => client.runSync(handler),
  }),
};

function speakerOf(client: CallbackClient): Speaker {
  return {
    text: text => client.sendTextMessage(text),
    binary: data => client.sendBinaryMessage(data),
    ping: data => client.sendPing(data),
    pong: data => client.sendPong(data),
    close: (code, reason) => client.close(code, reason),
    forceQuit: () => client.forceQuit(),
    get bufferedAmount() {
      return client.bufferedAmount;
    },
  };
}

/** A handler that turns callbacks into the events that a channel would bring. */
function handlerOf(client: CallbackClient, react: React, onIdle?: () => void): Handler {
  const tell = (event: WebSocketEvent) => react(event, speakerOf(client));
  const receivedAt = 0;
  return {
    ...(onIdle && { onIdle }),
    onActivated: () => tell({ type: 'activated', receivedAt }),
    onTextMessage: (_, data) => tell({ type: 'textMessage', data, receivedAt }),
    onBinaryMessage: (_, data) => tell({ type: 'binaryMessage', data, receivedAt }),
    onPing: (_, data) => tell({ type: 'ping', data, receivedAt }),
    onPong: (_, data) => tell({ type: 'pong', data, receivedAt }),
    onConnectionClosed: (_, reason, code) =>
      tell({ type: 'connectionClosed', code, reason, receivedAt }),
    onError: (_, error) => tell({ type: 'error', error, receivedAt }),
    onQuit: () => tell({ type: 'quit', receivedAt }),
  };
}

const channelWay: Way = {
  blocking: false,
  blocksThread: false,
  async run(url, options, react) {
    const client = await S9AsyncNonBlockingWebSocketClient.connect(url, options);
    const thread = client.run();
    const { controlTx } = client;
    const speaker: Speaker = {
      text: text => controlTx.send(ControlMessage.sendText(text)),
      binary: data => controlTx.send(ControlMessage.sendBinary(data)),
      ping: data => controlTx.send(ControlMessage.sendPing(data)),
      pong: data => controlTx.send(ControlMessage.sendPong(data)),
      close: (code, reason) => controlTx.send(ControlMessage.close(code, reason)),
      forceQuit: () => controlTx.send(ControlMessage.forceQuit()),
      get bufferedAmount() {
        return client.bufferedAmount;
      },
    };
    for await (const event of client.eventRx) react(event, speaker);
    await thread.join();
  },
};

export const WAYS: Record<string, Way> = {
  ...Object.fromEntries(
    Object.entries(CALLBACK_WAYS).map(([name, { connect, run, ...way }]): [string, Way] => [
      name,
      {
        ...way,
        async run(url, options, react, onIdle) {
          const client = await connect(url, options);
          await run(client, handlerOf(client, react, onIdle));
        },
      },
    ]),
  ),
  async_channels: channelWay,
};

/** Runs a client to its end and returns all events, of which the first and the last are checked. */
export async function observed(
  t: ExecutionContext,
  way: Way,
  url: string,
  options: Options,
  react: React = () => {},
): Promise<WebSocketEvent[]> {
  const events: WebSocketEvent[] = [];
  await way.run(url, options, (event, speaker) => {
    events.push(event);
    react(event, speaker);
  });
  const types = events.map(event => event.type);
  t.is(types.lastIndexOf('activated'), 0, 'activated comes first and once');
  t.is(types.indexOf('quit'), types.length - 1, 'quit comes last and once');
  return events;
}

/** Events as short texts, to be compared. */
export function told(events: readonly WebSocketEvent[]): string[] {
  return events.map(event => {
    switch (event.type) {
      case 'activated':
      case 'quit':
        return event.type;
      case 'textMessage':
        return `text ${event.data}`;
      case 'error':
        return `error ${event.error.code}`;
      case 'connectionClosed':
        return `closed ${event.code} ${event.reason}`;
      default:
        return `${event.type} ${event.data.toString('latin1')}`;
    }
  });
}
