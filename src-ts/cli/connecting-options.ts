// From the flags of a command line to the options of a connection; reads the files that they name.

import { readFileSync } from 'node:fs';

import type { Connecting } from './command';
import { errorCode } from './failure';
import { UsageError } from './usage-error';

/** What the clients of this package and `ws` are told; can be sent to a worker thread. */
export interface ConnectionOptions {
  headers: Array<[string, string]>;
  subprotocols: string[];
  perMessageDeflate: boolean;
  tls: { ca?: string; cert?: string; key?: string; rejectUnauthorized?: boolean };
}

export function connectionOptions(connecting: Connecting): ConnectionOptions {
  const { ca, cert, key } = connecting;
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError('--cert and --key belong together: one of them is missing');
  }
  return {
    headers: connecting.headers.map(([name, value]) => [name, value]),
    subprotocols: [...connecting.subprotocols],
    perMessageDeflate: connecting.compress,
    tls: {
      ...(ca !== undefined && { ca: read('--ca', ca) }),
      ...(cert !== undefined && { cert: read('--cert', cert) }),
      ...(key !== undefined && { key: read('--key', key) }),
      ...(connecting.insecure && { rejectUnauthorized: false }),
    },
  };
}

/** A PEM file. What is in it is no part of an error: it may be a key. */
function read(flag: string, path: string): string {
  const place = `${flag}: ${JSON.stringify(path)}`;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`${place} cannot be read: ${errorCode(error)}`);
  }
  if (!text.includes('-----BEGIN ')) throw new UsageError(`${place} is no PEM file`);
  return text;
}
