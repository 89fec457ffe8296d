// The clients that `s9ws bench` measures, in each way to run them, and `ws`.

import {
  ControlMessage,
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
  type S9WebSocketClientHandler,
} from '../index';
import type { Measure } from './command';
import type { ConnectionOptions } from './connecting-options';
import type { RoundTrips } from './round-trips';

/** What a worker thread is to measure. */
export interface BenchTask {
  way: WayName;
  url: string;
  options: ConnectionOptions;
  measure: Measure;
  size: number;
  milliseconds: number;
  /** Where `ws` is installed. */
  ws: string | undefined;
}

export type WayName = keyof typeof WAYS;

/** Each resolves once the connection has ended, and fails as it fails. */
export const WAYS = {
  'non-blocking, runSync': async (task: BenchTask, trips: RoundTrips) => {
    const client = await S9NonBlockingWebSocketClient.connect(task.url, optionsOf(task));
    const exchange = new HandlerExchange(task.measure, trips);
    client.runSync(exchange.handler);
    exchange.check();
  },
  'non-blocking, run': async (task: BenchTask, trips: RoundTrips) => {
    const client = await S9NonBlockingWebSocketClient.connect(task.url, optionsOf(task));
    const exchange = new HandlerExchange(task.measure, trips);
    await client.run(exchange.handler);
    exchange.check();
  },
  'blocking, runSync': async (task: BenchTask, trips: RoundTrips) => {
    const client = await S9BlockingWebSocketClient.connect(task.url, optionsOf(task));
    const exchange = new HandlerExchange(task.measure, trips);
    client.runSync(exchange.handler);
    exchange.check();
  },
  'blocking, run': async (task: BenchTask, trips: RoundTrips) => {
    const client = await S9BlockingWebSocketClient.connect(task.url, optionsOf(task));
    const exchange = new HandlerExchange(task.measure, trips);
    await client.run(exchange.handler);
    exchange.check();
  },
  async: exchangeByChannel,
  ws: exchangeByWs,
};

type CallbackClient = S9NonBlockingWebSocketClient | S9BlockingWebSocketClient;

/** `ws` does not delay small messages either. */
const optionsOf = ({ options }: BenchTask) => ({ ...options, nodelay: true });

const closedEarly = (code: number, reason: string | null) =>
  new Error(`the server closed the connection: ${code} ${reason ?? ''}`.trimEnd());

class HandlerExchange {
  readonly handler: S9WebSocketClientHandler<CallbackClient>;
  #failure: Error | undefined;

  constructor(measure: Measure, trips: RoundTrips) {
    const send = (client: CallbackClient) => {
      if (measure === 'text') client.sendTextMessage(trips.text());
      else if (measure === 'binary') client.sendBinaryMessage(trips.bytes());
      else client.sendPing(trips.bytes());
    };
    const take = (client: CallbackClient, data: string | Buffer) => {
      if (!trips.answer(data)) return;
      if (trips.isOver) client.close();
      else send(client);
    };
    this.handler = {
      onActivated: send,
      ...(measure === 'text' && { onTextMessage: take }),
      ...(measure === 'binary' && { onBinaryMessage: take }),
      ...(measure === 'ping' && { onPong: take }),
      onConnectionClosed: (_, reason, code) => {
        if (!trips.isOver) this.#failure = closedEarly(code, reason);
      },
      onError: (_, error) => {
        if (!trips.isOver) this.#failure = error;
      },
    };
  }

  /** Throws what made the connection fail. */
  check(): void {
    if (this.#failure) throw this.#failure;
  }
}

async function exchangeByChannel(task: BenchTask, trips: RoundTrips): Promise<void> {
  const { measure } = task;
  const client = await S9AsyncNonBlockingWebSocketClient.connect(task.url, optionsOf(task));
  const thread = client.run();
  const send = () => {
    if (measure === 'text') client.controlTx.send(ControlMessage.sendText(trips.text()));
    else if (measure === 'binary') client.controlTx.send(ControlMessage.sendBinary(trips.bytes()));
    else client.controlTx.send(ControlMessage.sendPing(trips.bytes()));
  };
  for await (const event of client.eventRx) {
    if (event.type === 'activated') send();
    else if (event.type === 'error' && !trips.isOver) throw event.error;
    else if (event.type === 'connectionClosed' && !trips.isOver) {
      throw closedEarly(event.code, event.reason);
    } else if ('data' in event && event.type !== 'ping' && trips.answer(event.data)) {
      if (trips.isOver) client.controlTx.send(ControlMessage.close());
      else send();
    }
  }
  await thread.join();
}

/** As much of `ws` as is used here: it is no dependency of this package. */
interface Ws {
  send(data: string | Buffer): void;
  ping(data: Buffer): void;
  close(code: number): void;
  on(event: 'open', listener: () => void): void;
  on(event: 'message', listener: (data: Buffer, isBinary: boolean) => void): void;
  on(event: 'pong', listener: (data: Buffer) => void): void;
  on(event: 'close', listener: (code: number, reason: Buffer) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
}

type WsConstructor = new (url: string, protocols: string[], options: object) => Ws;

/** Node keeps the last of the fields that have a name; of one with an array of values it sends all. */
function byName(headers: ConnectionOptions['headers']): Record<string, string[]> {
  const fields: Record<string, string[]> = {};
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    fields[key] = [...(fields[key] ?? []), value];
  }
  return fields;
}

function exchangeByWs(task: BenchTask, trips: RoundTrips): Promise<void> {
  const { measure, options } = task;
  const { headers, perMessageDeflate, subprotocols, tls } = options;
  const WebSocket = require(task.ws ?? 'ws') as WsConstructor;
  const ws = new WebSocket(task.url, subprotocols, {
    headers: byName(headers),
    perMessageDeflate,
    ...tls,
  });
  const send = () => {
    if (measure === 'text') ws.send(trips.text());
    else if (measure === 'binary') ws.send(trips.bytes());
    else ws.ping(trips.bytes());
  };
  const take = (data: string | Buffer) => {
    if (!trips.answer(data)) return;
    if (trips.isOver) ws.close(1000);
    else send();
  };
  ws.on('open', send);
  if (measure === 'ping') ws.on('pong', take);
  else ws.on('message', (data, isBinary) => take(isBinary ? data : data.toString()));
  return new Promise((resolve, reject) => {
    ws.on('error', reject);
    ws.on('close', (code, reason) => {
      if (trips.isOver) resolve();
      else reject(closedEarly(code, reason.toString()));
    });
  });
}
