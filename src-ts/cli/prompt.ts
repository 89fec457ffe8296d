// The prompt at the bottom of a terminal. What its lines mean is not its business.

import {
  clearScreenDown,
  createInterface,
  cursorTo,
  type Interface,
  moveCursor,
} from 'node:readline';

import { HISTORY_LENGTH, type History } from './history';
import type { Footer } from './output';

export interface PromptEvents {
  onLine(line: string): void;
  /** Ctrl-C. */
  onInterrupt(): void;
  /** Ctrl-D. */
  onEnd(): void;
}

export class Prompt implements Footer {
  readonly #interface: Interface;
  #isShown = false;
  #isClosed = false;

  constructor(history: History, words: readonly string[], events: PromptEvents) {
    this.#interface = createInterface({
      input: process.stdin,
      output: process.stdout,
      prompt: '> ',
      history: history.load(),
      historySize: HISTORY_LENGTH,
      removeHistoryDuplicates: true,
      completer: (line: string) => [words.filter(word => word.startsWith(line)), line],
    });
    this.#interface.on('line', line => {
      // Enter has left it behind: it is no longer the last line.
      this.#isShown = false;
      history.add(line);
      events.onLine(line);
      this.show();
    });
    this.#interface.on('SIGINT', () => events.onInterrupt());
    this.#interface.on('close', () => {
      if (this.#isClosed) return;
      this.hide();
      this.#isClosed = true;
      events.onEnd();
    });
  }

  hide(): void {
    if (!this.#isShown) return;
    this.#isShown = false;
    const { stdout } = process;
    moveCursor(stdout, 0, -this.#interface.getCursorPos().rows);
    cursorTo(stdout, 0);
    clearScreenDown(stdout);
  }

  show(): void {
    if (this.#isShown || this.#isClosed) return;
    this.#isShown = true;
    this.#interface.prompt(true);
  }

  close(): void {
    if (this.#isClosed) return;
    this.hide();
    this.#isClosed = true;
    this.#interface.close();
  }
}
