// A server in a process of its own, because `runSync` blocks ours, and what it tells us.

import { type ChildProcess, fork, type Serializable } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { fileURLToPath } from 'node:url';

const DEADLINE = 20_000;

/** @typeParam Answers - what the server tells, by kind */
export class ServerProcess<Answers extends object> {
  readonly #process: ChildProcess;
  /** As many may be waited for as there are connections. */
  readonly #answers = new EventEmitter().setMaxListeners(0);

  /** `main` is a module beside this one. */
  constructor(main: string) {
    const path = fileURLToPath(new URL(main, import.meta.url));
    this.#process = fork(path, { serialization: 'advanced', execArgv: [] });
    this.#process.on('message', (answer: { kind: string; id?: number }) => {
      this.#answers.emit(answer.kind + (answer.id ?? ''), answer);
    });
  }

  tell(command: Serializable): void {
    this.#process.send(command);
  }

  /** The next answer of a kind, about one connection if it has a number. */
  async answer<Kind extends keyof Answers & string>(
    kind: Kind,
    id?: number,
  ): Promise<Answers[Kind]> {
    const signal = AbortSignal.timeout(DEADLINE);
    const [answer] = await once(this.#answers, kind + (id ?? ''), { signal });
    return answer;
  }

  stop(): void {
    this.#process.disconnect();
  }
}

/** The server's side: tells the test something, and ends with it. */
export function teller<Answers extends object>() {
  process.on('disconnect', () => process.exit());
  return <Kind extends keyof Answers & string>(kind: Kind, answer: Answers[Kind]): void => {
    // A test that is gone need not be told.
    process.send?.({ kind, ...answer }, () => {});
  };
}
