// Runs a script of `children/` in a process of its own and tells how that ended.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A child that has not ended by then hangs. */
const DEADLINE = 30_000;
/** How often each case of the life cycle is tried: what goes wrong there does so by chance. */
export const TIMES = Number(process.env.S9_WEBSOCKET_TEST_TIMES ?? 5);

export interface ChildEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** What it printed, by lines. */
  lines: string[];
  stderr: string;
}

/** Milliseconds since the epoch, as `Date.now()` tells them, but finer. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

export interface ChildOptions {
  env?: Record<string, string>;
  nodeArguments?: string[];
  /** The most file descriptors it may have, where there is a shell to say so. */
  descriptors?: number;
  /** Nobody is at the other end of its stderr. */
  stderrIsClosed?: boolean;
  /** Milliseconds after which it hangs. */
  deadline?: number;
  /** Called when it has ended; its last lines may come behind that. */
  onExit?(): void;
  /** Called for each line printed, as it comes. */
  onLine?(line: string, kill: (signal: NodeJS.Signals) => void): void;
}

/** Runs `children/<script>.mjs` to its end. */
export function runChild(
  script: string,
  args: string[] = [],
  options: ChildOptions = {},
): Promise<ChildEnd> {
  const path = fileURLToPath(new URL(`children/${script}.mjs`, import.meta.url));
  return runProgram(path, args, options);
}

/** Runs a program to its end; one that hangs is killed, and `signal` tells. */
export async function runProgram(
  path: string,
  args: string[],
  options: ChildOptions = {},
): Promise<ChildEnd> {
  const { NODE_OPTIONS: _, ...inherited } = process.env;
  const { descriptors, nodeArguments = [] } = options;
  const limited = ['/bin/sh', '-c', `ulimit -n ${descriptors} && exec "$0" "$@"`];
  const command = [...(descriptors === undefined ? [] : limited), process.execPath];
  const child = spawn(command[0]!, [...command.slice(1), ...nodeArguments, path, ...args], {
    env: { ...inherited, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const hanging = setTimeout(() => child.kill('SIGKILL'), options.deadline ?? DEADLINE);
  const lines: string[] = [];
  createInterface(child.stdout).on('line', line => {
    lines.push(line);
    options.onLine?.(line, signal => child.kill(signal));
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.once('exit', () => options.onExit?.());
  if (options.stderrIsClosed) child.stderr.destroy();
  const [code, signal] = await once(child, 'close');
  clearTimeout(hanging);
  return { code, signal, lines, stderr };
}

/** Calls `work` for each item, some at a time. */
export async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>) {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all([worker(), worker(), worker()]);
}
