// What a line typed at the prompt means: a message, or a command that begins with a slash.

import { BINARY_FORMATS, type BinaryFormat, decodeBinary } from './binary-text';
import type { Outgoing } from './command';
import { UsageError, wrong } from './usage-error';

export type PromptLine =
  | { readonly does: 'nothing' }
  | { readonly does: 'send'; readonly message: Outgoing }
  | { readonly does: 'ping'; readonly data: Buffer }
  | {
      readonly does: 'close';
      readonly code: number | undefined;
      readonly reason: string | undefined;
    }
  | { readonly does: 'setBinary'; readonly format: BinaryFormat }
  | { readonly does: 'help' };

export const PROMPT_HELP = `\
TEXT                         sends a text message; //TEXT sends /TEXT
/binary [hex|base64] [DATA]  sends a binary message; without DATA, sets how
                             binary messages are written and shown
/ping [TEXT]                 sends a ping; the round trip is shown
/close [CODE [REASON]]       closes, with 1000 if left out
/help                        Ctrl-D or Ctrl-C closes, a second Ctrl-C at once`;

export const SLASH_COMMANDS = ['/binary', '/close', '/help', '/ping'] as const;

/** Reads a line; throws a `UsageError`. */
export function readPromptLine(line: string, format: BinaryFormat): PromptLine {
  if (line === '') return { does: 'nothing' };
  if (!line.startsWith('/')) return { does: 'send', message: line };
  if (line.startsWith('//')) return { does: 'send', message: line.slice(1) };
  const [command, rest] = firstWord(line);
  switch (command) {
    case '/help':
      return { does: 'help' };
    case '/ping':
      return { does: 'ping', data: Buffer.from(rest) };
    case '/close':
      return readClose(rest);
    case '/binary':
      return readBinary(rest, format);
    default:
      throw new UsageError(
        `there is no ${command} (allowed: ${SLASH_COMMANDS.join(', ')}; //TEXT sends /TEXT)`,
      );
  }
}

/** Which codes may be sent is the client's business. */
function readClose(rest: string): PromptLine {
  const [code, reason] = firstWord(rest);
  if (!/^\d*$/.test(code))
    throw wrong('code', JSON.stringify(code), 'a number, as in /close 1000 bye');
  return {
    does: 'close',
    code: code === '' ? undefined : Number(code),
    reason: reason === '' ? undefined : reason,
  };
}

function readBinary(rest: string, format: BinaryFormat): PromptLine {
  const [word, data] = firstWord(rest);
  const named = BINARY_FORMATS.find(known => known === word);
  if (named && data === '') return { does: 'setBinary', format: named };
  if (word === '') {
    throw new UsageError(`/binary needs data, or a format (allowed: ${BINARY_FORMATS.join(', ')})`);
  }
  const message = decodeBinary('data', named ? data : rest, named ?? format);
  return { does: 'send', message };
}

function firstWord(text: string): [word: string, rest: string] {
  const [, word = '', rest = ''] = /^(\S*)\s*(.*)$/s.exec(text) ?? [];
  return [word, rest];
}
