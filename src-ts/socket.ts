// The socket below a client: facts about it, and the options that may change while it is open.

import { integer } from './argument';
import { converting, invalid } from './errors';
import type { NativeSocket } from './native';

/** What is known of a TLS connection. */
export interface TlsFacts {
  /** The name that was sent as SNI and verified. */
  servername: string;
  /** The certificate was verified; false only with `rejectUnauthorized: false`. */
  authorized: boolean;
  /** The protocol agreed on by ALPN, if there is one. */
  alpnProtocol: string | null;
  /** The server's certificate, DER. */
  peerCertificate: Buffer | null;
}

/** The socket of a client; once it is gone, all but `tls` throw `ERR_S9_SOCKET_UNAVAILABLE`. */
export class S9Socket {
  readonly #native: NativeSocket;

  private constructor(native: NativeSocket) {
    this.#native = native;
  }

  /** @internal */
  static of(native: NativeSocket): S9Socket {
    return new S9Socket(native);
  }

  /** The local IP address. */
  get localAddress(): string {
    return converting(() => this.#native.localAddress());
  }

  /** The local port. */
  get localPort(): number {
    return converting(() => this.#native.localPort());
  }

  /** The server's IP address: the one of several that answered. */
  get remoteAddress(): string {
    return converting(() => this.#native.remoteAddress());
  }

  /** The server's port. */
  get remotePort(): number {
    return converting(() => this.#native.remotePort());
  }

  /** TCP_NODELAY: small messages are sent at once. May be set while the connection is open. */
  get nodelay(): boolean {
    return converting(() => this.#native.nodelay());
  }

  set nodelay(on: boolean) {
    if (typeof on !== 'boolean') throw invalid('nodelay', on, 'true or false');
    converting(() => this.#native.setNodelay(on));
  }

  /** Hops that a packet may take, 1 to 255. May be set while the connection is open. */
  get ttl(): number {
    return converting(() => this.#native.ttl());
  }

  set ttl(hops: number) {
    const checked = integer('ttl', hops, 1, 255);
    converting(() => this.#native.setTtl(checked));
  }

  /** What is known of TLS; null for `ws://`. */
  get tls(): TlsFacts | null {
    const facts = converting(() => this.#native.tls());
    if (!facts) return null;
    const { servername, authorized, alpnProtocol = null, peerCertificate = null } = facts;
    return { servername, authorized, alpnProtocol, peerCertificate };
  }

  /** The file descriptor, for system calls of your own; reading or closing it breaks the client. */
  get fd(): number {
    return converting(() => this.#native.fd());
  }
}
