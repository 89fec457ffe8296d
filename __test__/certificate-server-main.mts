// The process of TLS servers whose certificates are wrong, each in a way of its own.

import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

import { WebSocketServer } from 'ws';

import { type Certificate, makeCertificate } from './certificate.mjs';
import { teller } from './server-process.mjs';

export type Fault =
  | 'none'
  | 'expired'
  | 'not_yet_valid'
  | 'wrong_name'
  | 'self_signed'
  /** The intermediate between it and the root is not sent along. */
  | 'cut_chain';

export interface Answers {
  /** `ca` is the root that clients are to trust. */
  listening: { ports: Record<Fault, number>; ca: string };
}

const tell = teller<Answers>();

const named = (commonName: string, certificate: Certificate) => ({ commonName, ...certificate });
const root = named('a root', makeCertificate('a root'));
const middle = named('an intermediate', makeCertificate('an intermediate', { issuer: root }));
const leaf = makeCertificate('a leaf', { issuer: middle });
const whole = { ...leaf, cert: leaf.cert + middle.cert };

const CERTIFICATES: Record<Fault, Certificate> = {
  none: whole,
  expired: makeCertificate('expired', { issuer: root, valid: [-30, -1] }),
  not_yet_valid: makeCertificate('not yet valid', { issuer: root, valid: [1, 30] }),
  wrong_name: makeCertificate('elsewhere', { issuer: root, host: 'elsewhere.example' }),
  self_signed: makeCertificate('self-signed'),
  cut_chain: leaf,
};

async function listen(certificate: Certificate): Promise<number> {
  const server = createServer({ ...certificate }).on('tlsClientError', () => {});
  new WebSocketServer({ server }).on('connection', socket => socket.close(1000));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

const entries = Object.entries(CERTIFICATES).map(async ([fault, certificate]) => [
  fault,
  await listen(certificate),
]);
tell('listening', {
  ports: Object.fromEntries(await Promise.all(entries)) as Record<Fault, number>,
  ca: root.cert,
});
