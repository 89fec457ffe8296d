// A real pseudo-terminal of 24 lines and 80 columns, made by Python: Node has none.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

import { plainEnvironment } from './command-line.mjs';

/** Starts a command in a new terminal and passes on what is typed and shown. */
const BRIDGE = `
import fcntl, os, pty, select, struct, sys, termios
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
sources = [terminal, 0]
while True:
    readable, _, _ = select.select(sources, [], [])
    if 0 in readable:
        typed = os.read(0, 65536)
        if typed:
            os.write(terminal, typed)
        else:
            sources.remove(0)
    if terminal in readable:
        try:
            shown = os.read(terminal, 65536)
        except OSError:
            break
        if not shown:
            break
        os.write(1, shown)
_, status = os.waitpid(child, 0)
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
`;

/** Why there can be no terminal here, if there can be none. */
export const noTerminal: string | undefined =
  process.platform === 'win32'
    ? 'Windows has no pty'
    : spawnSync('python3', ['-c', 'import pty']).status === 0
      ? undefined
      : 'python3 is not installed';

const DEADLINE = 20_000;

export class Terminal {
  readonly #child: ChildProcess;
  #shown = '';
  #changed: () => void = () => {};
  readonly #ended: Promise<number>;

  constructor(command: readonly string[], env: Record<string, string>) {
    this.#child = spawn('python3', ['-c', BRIDGE, ...command], {
      env: plainEnvironment({ TERM: 'xterm-256color', ...env }),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#shown += text;
      this.#changed();
    });
    this.#ended = once(this.#child, 'close').then(([code]) => code);
  }

  type(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  /** Everything shown so far, as it came. */
  get raw(): string {
    return this.#shown;
  }

  /** The screen and what has been scrolled off it, as a person sees it. */
  get text(): string {
    return screenOf(this.#shown);
  }

  /** Resolves once this has been shown. */
  async shows(wanted: string | RegExp): Promise<void> {
    const signal = AbortSignal.timeout(DEADLINE);
    const isThere = () =>
      typeof wanted === 'string' ? this.text.includes(wanted) : wanted.test(this.text);
    while (!isThere()) {
      await new Promise<void>((resolve, reject) => {
        this.#changed = resolve;
        signal.onabort = () => reject(new Error(`never shown: ${wanted}\nshown: ${this.text}`));
      });
    }
    signal.onabort = null;
  }

  /** The exit code. */
  async ended(): Promise<number> {
    const hanging = setTimeout(() => this.#child.kill('SIGKILL'), DEADLINE);
    const code = await this.#ended;
    clearTimeout(hanging);
    return code;
  }
}

const COLUMNS = 80;
/** A control sequence with its numbers and its last letter, a control character, or a character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal is steered with them
const PIECE = /\u001b\[([\d;?]*)([A-Za-z])|[\r\n\b\u0007]|[^\u001b]/gu;

/** What a terminal makes of what was written to it, as far as readline steers one. */
function screenOf(written: string): string {
  const lines = [''];
  let [row, column] = [0, 0];
  const line = () => (lines[row] ?? '').padEnd(column);
  for (const [piece, numbers = '', letter] of written.matchAll(PIECE)) {
    const number = Number(numbers.split(';')[0] || Number.NaN);
    if (letter === 'A') row = Math.max(0, row - (number || 1));
    else if (letter === 'B') row += number || 1;
    else if (letter === 'C') column += number || 1;
    else if (letter === 'D') column = Math.max(0, column - (number || 1));
    else if (letter === 'G') column = (number || 1) - 1;
    else if (letter === 'J') lines.splice(row, lines.length, line().slice(0, column));
    else if (letter === 'K') lines[row] = number === 2 ? '' : line().slice(0, column);
    else if (piece === '\r') column = 0;
    else if (piece === '\n') row++;
    else if (piece === '\b') column = Math.max(0, column - 1);
    else if (letter === undefined && piece !== '\u0007') {
      if (column === COLUMNS) [row, column] = [row + 1, 0];
      lines[row] = line().slice(0, column) + piece + line().slice(column + 1);
      column++;
    }
    while (lines.length <= row) lines.push('');
  }
  return lines.join('\n');
}
