// The lines typed at the prompt, kept from one session to the next. Fails silently: a history that
// cannot be kept is no reason not to talk.

import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

export const HISTORY_LENGTH = 1000;

export class History {
  readonly #path = join(stateFolder(), 's9-websocket', 'history');

  /** The latest first, as readline wants them. */
  load(): string[] {
    try {
      const lines = readFileSync(this.#path, 'utf8').split('\n').filter(Boolean);
      const latest = lines.slice(-HISTORY_LENGTH);
      // It grows by a line each time: cut now and then.
      if (lines.length > 2 * HISTORY_LENGTH) this.#write(latest);
      return latest.reverse();
    } catch {
      return [];
    }
  }

  /** A line that begins with a blank is not kept: it may hold a secret. */
  add(line: string): void {
    if (line.trim() === '' || line.startsWith(' ')) return;
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      appendFileSync(this.#path, `${line}\n`, { mode: 0o600 });
    } catch {}
  }

  #write(lines: readonly string[]): void {
    writeFileSync(this.#path, `${lines.join('\n')}\n`, { mode: 0o600 });
  }
}

/** Of the XDG base directories; an empty or relative path counts as none. */
function stateFolder(): string {
  const { XDG_STATE_HOME = '', LOCALAPPDATA } = process.env;
  if (XDG_STATE_HOME.startsWith('/')) return XDG_STATE_HOME;
  if (process.platform === 'win32' && LOCALAPPDATA) return LOCALAPPDATA;
  return join(homedir(), '.local', 'state');
}
