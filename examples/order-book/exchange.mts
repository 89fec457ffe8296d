// A local exchange for the examples: one order book that changes at random, and the accidents of a
// real feed: updates that get lost, connections that break.
//
//   node exchange.mjs [PORT]

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

import { type WebSocket, WebSocketServer } from 'ws';

import { type MarketMessage, OrderBook, type Side, type Snapshot } from './order-book.mjs';

export interface ExchangeOptions {
  /** Left out, a free one is taken. */
  port?: number;
  /** Milliseconds between updates. */
  interval?: number;
  /** After so many updates the market is quiet; left out, it never is. */
  updates?: number;
  /** Every Nth update is sent to nobody. */
  loseEvery?: number;
  /** At every Nth update all connections break, without a Close frame. */
  breakEvery?: number;
}

const SYMBOL = 'BTC-USD';
const HEARTBEAT_INTERVAL = 100;
const DEPTH = 20;
const MIDDLE = 100;
const TICKS_A_UNIT = 100;

/** What a client may send. */
type Request = { op: 'subscribe'; symbol: string } | { op: 'order'; id: number; price: string };

export class Exchange implements AsyncDisposable {
  readonly book = new OrderBook();
  readonly #options: ExchangeOptions;
  readonly #server: WebSocketServer;
  readonly #subscribers = new Set<WebSocket>();
  readonly #timers: NodeJS.Timeout[] = [];
  /** The market opens for the first to subscribe. */
  #isOpen = false;

  private constructor(options: ExchangeOptions) {
    this.#options = options;
    this.#server = new WebSocketServer({ host: '127.0.0.1', port: options.port ?? 0 });
    this.#server.on('connection', socket => this.#serve(socket));
    this.book.apply(this.#opening());
  }

  static async start(options: ExchangeOptions = {}): Promise<Exchange> {
    const exchange = new Exchange(options);
    await once(exchange.#server, 'listening');
    exchange.#timers.push(
      setInterval(() => exchange.#trade(), options.interval ?? 1),
      setInterval(() => exchange.#beat(), HEARTBEAT_INTERVAL),
    );
    return exchange;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The number of the last update. */
  get sequence(): number {
    return this.book.sequence as number;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(socket: WebSocket): void {
    socket.on('close', () => this.#subscribers.delete(socket));
    socket.on('message', data => {
      const request = JSON.parse(data.toString()) as Request;
      if (request.op === 'order') {
        socket.send(JSON.stringify({ type: 'accepted', id: request.id, price: request.price }));
      } else if (request.symbol !== SYMBOL) {
        socket.close(4000, `no such symbol: ${request.symbol}`);
      } else {
        this.#isOpen = true;
        this.#subscribers.add(socket);
        socket.send(JSON.stringify(this.#snapshot()));
      }
    });
  }

  #opening(): Snapshot {
    const levels = (step: number) =>
      Array.from({ length: DEPTH }, (_, index) => [this.#price(step * (index + 1)), '1'] as const);
    return { type: 'snapshot', symbol: SYMBOL, sequence: 0, bids: levels(-1), asks: levels(1) };
  }

  #snapshot(): Snapshot {
    const { sequence } = this;
    const bids = this.book.levels('bid');
    const asks = this.book.levels('ask');
    return { type: 'snapshot', symbol: SYMBOL, sequence, bids, asks };
  }

  /** A level at random changes. */
  #trade(): void {
    const { updates = Number.POSITIVE_INFINITY, loseEvery, breakEvery } = this.#options;
    if (!this.#isOpen || this.sequence >= updates) return;
    const sequence = this.sequence + 1;
    const side: Side = Math.random() < 0.5 ? 'bid' : 'ask';
    const distance = 1 + Math.floor(Math.random() * DEPTH);
    const price = this.#price(side === 'bid' ? -distance : distance);
    const quantity = String(Math.floor(Math.random() * 10));
    const update = { type: 'update', symbol: SYMBOL, sequence, side, price, quantity } as const;
    this.book.apply(update);
    if (breakEvery && sequence % breakEvery === 0) {
      for (const socket of this.#server.clients) socket.terminate();
    } else if (!loseEvery || sequence % loseEvery !== 0) this.#publish(update);
  }

  #beat(): void {
    this.#publish({ type: 'heartbeat', sequence: this.sequence });
  }

  #publish(message: MarketMessage): void {
    const text = JSON.stringify(message);
    for (const socket of this.#subscribers) socket.send(text);
  }

  #price(ticks: number): string {
    return (MIDDLE + ticks / TICKS_A_UNIT).toFixed(2);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const port = Number(process.argv[2] ?? 9001);
  const exchange = await Exchange.start({ port, loseEvery: 1000, breakEvery: 5000 });
  console.log(exchange.url);
}
