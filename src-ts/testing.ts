// `s9-websocket/testing`: a small fast echo server for tests, demos and benchmarks.

import { integer } from './argument';
import { converting, invalid } from './errors';
import { addon, type NativeEchoServer } from './native';

/** How the echo server is started. */
export interface EchoServerOptions {
  /** `wss://`, with a certificate made for this server; on Linux TLS 1.2 at most. */
  tls?: boolean;
  /** Left out, a free one is taken. */
  port?: number;
}

/** Servers that are not closed: whoever kept only the URL must not lose the server to the collector. */
const running = new Set<EchoServer>();

/** A WebSocket server on the loopback interface that sends every message back. */
export class EchoServer {
  readonly #native: NativeEchoServer;
  /** Where clients connect: `ws://127.0.0.1:…`, or `wss://` with TLS. */
  readonly url: string;
  /** The port listened on. */
  readonly port: number;
  /** With TLS: the certificate of the authority to trust, PEM, for the client's `tls.ca`. */
  readonly ca: string | undefined;

  private constructor(native: NativeEchoServer) {
    this.#native = native;
    this.url = native.url();
    this.port = native.port();
    this.ca = native.ca() ?? undefined;
  }

  /** Starts a server on a thread of its own; it does not keep Node running. */
  static async start(options: EchoServerOptions = {}): Promise<EchoServer> {
    if (typeof options !== 'object' || options === null) {
      throw invalid('options', options, 'an object');
    }
    const { port = 0, tls = false } = options;
    if (typeof tls !== 'boolean') throw invalid('tls', tls, 'true or false');
    const checked = { port: integer('port', port, 0, 65_535), tls };
    const server = new EchoServer(converting(() => addon.NativeEchoServer.start(checked)));
    running.add(server);
    return server;
  }

  /** Drops all connections and stops listening. */
  async close(): Promise<void> {
    this[Symbol.dispose]();
  }

  /** As `close`, at once. */
  [Symbol.dispose](): void {
    running.delete(this);
    this.#native.stop();
  }

  /** As `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]();
  }
}
