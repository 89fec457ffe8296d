// Bytes as text, for people and for pipes: hex or base64.

import { wrong } from './usage-error';

export const BINARY_FORMATS = ['hex', 'base64'] as const;

export type BinaryFormat = (typeof BINARY_FORMATS)[number];

const WELL_FORMED = {
  hex: /^(?:[0-9a-f]{2})*$/i,
  base64: /^(?:[\w+/-]{4})*(?:[\w+/-]{2}(?:==)?|[\w+/-]{3}=?)?$/,
};

const ALLOWED = {
  hex: 'pairs of hexadecimal digits; blanks between them do no harm',
  base64: 'base64, with + and / or with - and _',
};

/** The bytes that a text stands for; unlike `Buffer.from`, it refuses what it cannot read. */
export function decodeBinary(name: string, text: string, format: BinaryFormat): Buffer {
  const dense = text.replace(/\s+/g, '');
  if (!WELL_FORMED[format].test(dense)) {
    const shown = JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
    throw wrong(name, shown, ALLOWED[format]);
  }
  return Buffer.from(dense, format);
}
