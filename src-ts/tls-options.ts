// The TLS options, named as in node:tls, and their form for the native side.

import { bytes } from './argument';
import { invalid, invalidType, refused } from './errors';
import { ownValues } from './plain-object';

/** Certificates or a key: PEM as text, PEM or DER as bytes. */
export type TlsMaterial = string | Uint8Array;

/** A version of TLS, as in node:tls. */
export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

/** How TLS is done for `wss://`. */
export interface TlsOptions {
  /** Certificates to trust in place of the system's roots. */
  ca?: TlsMaterial | readonly TlsMaterial[];
  /** The client's certificate chain, PEM; needs `key`. */
  cert?: TlsMaterial;
  /** The client's private key, unencrypted PKCS #8 PEM; needs `cert`. */
  key?: TlsMaterial;
  /** The client's certificate and key as PKCS #12, in place of `cert` and `key`. */
  pfx?: Uint8Array;
  /** The passphrase of `pfx`. */
  passphrase?: string;
  /** The name sent as SNI and verified, in place of the URL's host. */
  servername?: string;
  /** False accepts any certificate: anyone on the path can then read and change everything. */
  rejectUnauthorized?: boolean;
  /** The lowest version accepted. Default `'TLSv1.2'`. */
  minVersion?: TlsVersion;
  /** Left out, the highest that both sides have. */
  maxVersion?: TlsVersion;
  /** Protocols to offer by ALPN. */
  alpnProtocols?: readonly string[];
}

/** The options as the native side takes them: material as bytes, `ca` as a list. */
export function nativeTls(tls: unknown): Record<string, unknown> {
  const native = ownValues('tls', tls, 'a plain object of TLS options');
  // What connecting adds to the others is no option.
  if ('fallbackRoots' in native) {
    throw invalid('option', 'tls.fallbackRoots', 'a documented option of this client');
  }
  for (const [name, value] of Object.entries(native)) {
    if (name === 'ca') {
      const given: unknown[] = Array.isArray(value) ? value : [value];
      // Nobody would be trusted: whoever found no certificate hears of that before the handshake fails.
      if (given.length === 0) throw refused('tls.ca', 'an empty array', 'one certificate or more');
      native.ca = given.map(one => material('tls.ca', one));
    } else if (name === 'cert' || name === 'key' || name === 'pfx') {
      native[name] = material(`tls.${name}`, value);
    }
  }
  return native;
}

function material(name: string, value: unknown): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value);
  if (typeof value === 'object' && value !== null) return bytes(name, value);
  // Neither the text nor the bytes of a key are ever part of an error.
  throw invalidType(name, value, 'PEM as a string, or bytes');
}
