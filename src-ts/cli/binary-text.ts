// Bytes as text, for people and for pipes: hex or base64.

import { wrong } from './usage-error';

export const BINARY_FORMATS = ['hex', 'base64'] as const;

export type BinaryFormat = (typeof BINARY_FORMATS)[number];

// Strangers are searched for: a group repeated over 16 MiB is more than the stack of V8's regular
// expressions takes.
const STRANGER = { hex: /[^0-9a-f]/i, base64: /[^\w+/-]/ };

const ALLOWED = {
  hex: 'pairs of hexadecimal digits; blanks between them do no harm',
  base64: 'base64, with + and / or with - and _',
};

/** The bytes that a text stands for; unlike `Buffer.from`, it refuses what it cannot read. */
export function decodeBinary(name: string, text: string, format: BinaryFormat): Buffer {
  const dense = text.replace(/\s+/g, '');
  if (!isWellFormed(dense, format)) {
    const shown = JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
    throw wrong(name, shown, ALLOWED[format]);
  }
  return Buffer.from(dense, format);
}

function isWellFormed(dense: string, format: BinaryFormat): boolean {
  const padding = format === 'hex' ? 0 : paddingOf(dense);
  if (STRANGER[format].test(dense.slice(0, dense.length - padding))) return false;
  if (format === 'hex') return dense.length % 2 === 0;
  return padding > 0 ? dense.length % 4 === 0 : dense.length % 4 !== 1;
}

/** Characters at the end that only fill up the last four. */
function paddingOf(base64: string): number {
  if (base64.endsWith('==')) return 2;
  return base64.endsWith('=') ? 1 : 0;
}
