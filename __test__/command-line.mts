// Runs `s9ws` in a process of its own and tells what it printed and how it ended.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

import { root } from './markdown.mjs';

export const S9WS = join(root, 'dist', 'cli', 'main.js');

/** A command that has not ended by then hangs. */
const DEADLINE = 40_000;

export interface CommandEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  /** What is piped in; nothing if left out. */
  input?: string | Buffer | Readable;
  env?: Record<string, string>;
  /** Told of each piece of output as it comes. */
  onOutput?(printed: string, child: ChildProcess): void;
}

/** What Node asks for colours and for more options; a terminal in CI has few colours or none. */
const OF_THE_TEST_RUN =
  /^(NODE_OPTIONS|NODE_DISABLE_COLORS|FORCE_COLOR|NO_COLOR|CI|TEAMCITY_VERSION)$/;

/** The environment of a command: colours and warnings of the test run's are none of its business. */
export function plainEnvironment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !OF_THE_TEST_RUN.test(name));
  return { ...Object.fromEntries(inherited), ...extra };
}

/** As many as run at a time: each takes a processor to start. */
const PLACES = 3;
let running = 0;
const waiting: Array<() => void> = [];

export async function s9ws(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandEnd> {
  if (running >= PLACES) await new Promise<void>(resolve => waiting.push(resolve));
  running++;
  try {
    return await run(args, options);
  } finally {
    running--;
    waiting.shift()?.();
  }
}

async function run(args: readonly string[], options: CommandOptions): Promise<CommandEnd> {
  const child = spawn(process.execPath, [S9WS, ...args], {
    env: plainEnvironment(options.env),
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  const hanging = setTimeout(() => child.kill('SIGKILL'), DEADLINE);
  let stdout = '';
  let stderr = '';
  const tell = () => options.onOutput?.(stdout + stderr, child);
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    tell();
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    tell();
  });
  // It need not read all of it.
  child.stdin?.on('error', () => {});
  const { input } = options;
  if (typeof input === 'string' || Buffer.isBuffer(input)) child.stdin?.end(input);
  else if (input && child.stdin) input.pipe(child.stdin);
  const [code, signal] = await once(child, 'close');
  clearTimeout(hanging);
  return { code, signal, stdout, stderr };
}
