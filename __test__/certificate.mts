// Certificates that vouch for themselves or that another vouches for, made with Node alone: no openssl
// command, no file.

import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export interface Certificate {
  /** PEM. */
  cert: string;
  /** PKCS #8, PEM. */
  key: string;
}

export interface CertificateOptions {
  /** Who vouches for it; left out, it does so itself. */
  issuer?: Certificate & { commonName: string };
  /** From when until when, in days from now. */
  valid?: readonly [from: number, until: number];
  /** For which host; left out, `localhost` and 127.0.0.1. */
  host?: string;
}

const enum Tag {
  Boolean = 0x01,
  Integer = 0x02,
  BitString = 0x03,
  OctetString = 0x04,
  ObjectIdentifier = 0x06,
  Utf8String = 0x0c,
  UtcTime = 0x17,
  Sequence = 0x30,
  Set = 0x31,
}

const DAY = 24 * 60 * 60 * 1000;

/** A certificate that is good for servers, clients and for vouching for others (RFC 5280). */
export function makeCertificate(
  commonName: string,
  { issuer, valid = [-1, 365], host }: CertificateOptions = {},
): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(oid('2a8648ce3d040302'));
  const serial = Buffer.concat([Buffer.of(1), randomBytes(15)]);
  const unsigned = sequence(
    der(0xa0, der(Tag.Integer, Buffer.of(2))),
    der(Tag.Integer, serial),
    algorithm,
    nameOf(issuer?.commonName ?? commonName),
    sequence(...valid.map(days => time(Date.now() + days * DAY))),
    nameOf(commonName),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions(host))),
  );
  const signature = sign('sha256', unsigned, issuer ? createPrivateKey(issuer.key) : privateKey);
  const whole = sequence(
    unsigned,
    algorithm,
    der(Tag.BitString, Buffer.concat([Buffer.of(0), signature])),
  );
  const lines = whole.toString('base64').match(/.{1,64}/g)!;
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

function nameOf(commonName: string): Buffer {
  return sequence(der(Tag.Set, sequence(oid('550403'), der(Tag.Utf8String, commonName))));
}

function extensions(host: string | undefined): Buffer[] {
  const yes = der(Tag.Boolean, Buffer.of(0xff));
  const alternativeNames = host
    ? sequence(der(0x82, host))
    : sequence(der(0x82, 'localhost'), der(0x87, Buffer.of(127, 0, 0, 1)));
  const usages = sequence(oid('2b06010505070301'), oid('2b06010505070302'));
  return [
    sequence(oid('551d13'), yes, der(Tag.OctetString, sequence(yes))),
    sequence(oid('551d11'), der(Tag.OctetString, alternativeNames)),
    sequence(oid('551d25'), der(Tag.OctetString, usages)),
  ];
}

function time(milliseconds: number): Buffer {
  const digits = new Date(milliseconds).toISOString().replace(/\D/g, '').slice(2, 14);
  return der(Tag.UtcTime, `${digits}Z`);
}

function oid(encoded: string): Buffer {
  return der(Tag.ObjectIdentifier, Buffer.from(encoded, 'hex'));
}

function sequence(...members: Buffer[]): Buffer {
  return der(Tag.Sequence, Buffer.concat(members));
}

function der(tag: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content as Buffer);
  if (bytes.length < 128) return Buffer.concat([Buffer.of(tag, bytes.length), bytes]);
  const length = Buffer.of(0x82, bytes.length >> 8, bytes.length & 255);
  return Buffer.concat([Buffer.of(tag), length, bytes]);
}
