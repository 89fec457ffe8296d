#!/usr/bin/env node
// `s9ws`: reads the command line and starts what it asks for. Each command is loaded when it is
// wanted, so that --help and errors need no addon.

import { readCommand } from './command';
import { ExitCode, exitCodeOfSignal } from './exit-code';
import { exitCodeOf, inWords } from './failure';
import { Output } from './output';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

async function main(output: Output): Promise<number> {
  const command = readCommand(process.argv.slice(2));
  switch (command.name) {
    case 'help':
      output.line(command.text.trimEnd());
      return 0;
    case 'version':
      output.line(require('../../package.json').version);
      return 0;
    case 'talk': {
      const { Session } = require('./session') as typeof import('./session');
      const session = new Session(command, output);
      const takeSignals = onSignals(signal => session.interrupt(signal));
      // Nothing of ours runs while a write blocks: the system ends us then.
      output.onBlock = begins => takeSignals(!begins);
      return session.run();
    }
    case 'serve': {
      const { serve } = require('./serve') as typeof import('./serve');
      return serve(command, output, new Promise(resolve => onSignals(() => resolve())));
    }
    case 'bench': {
      const { bench } = require('./bench') as typeof import('./bench');
      return bench(command, output);
    }
  }
}

/** The first signal is handled; a second one ends at once, whatever hangs. */
function onSignals(handle: (signal: NodeJS.Signals) => void): (on: boolean) => void {
  let isSecond = false;
  const take = (signal: NodeJS.Signals) => {
    if (isSecond) process.exit(exitCodeOfSignal(signal));
    isSecond = true;
    handle(signal);
  };
  const takeSignals = (on: boolean) => {
    for (const signal of SIGNALS) {
      if (on) process.on(signal, take);
      else process.off(signal, take);
    }
  };
  takeSignals(true);
  return takeSignals;
}

const output = new Output();
main(output)
  .catch(error => {
    output.note(`s9ws: ${inWords(error)}`);
    return exitCodeOf(error);
  })
  .then(async code => {
    await output.finish();
    // Not left to the event loop: whatever is still open would keep it running.
    process.exit(output.failure && code === ExitCode.Done ? ExitCode.Fault : code);
  });
