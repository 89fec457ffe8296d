// `s9ws serve`: runs the echo server until a signal comes.

import { writeFileSync } from 'node:fs';

import { EchoServer } from '../testing';
import type { ServeCommand } from './command';
import { ExitCode } from './exit-code';
import { errorCode, inWords } from './failure';
import type { Output } from './output';
import { UsageError } from './usage-error';

/** Resolves with the exit code, once `interrupted` has resolved. */
export async function serve(
  command: ServeCommand,
  output: Output,
  interrupted: Promise<void>,
): Promise<number> {
  const { caOut, port, tls } = command;
  let server: EchoServer;
  try {
    server = await EchoServer.start({ port, tls });
  } catch (error) {
    output.note(`s9ws: ${inWords(error)}`);
    return ExitCode.NotConnected;
  }
  if (caOut !== undefined) writeCertificate(caOut, server.ca ?? '');
  output.line(server.url);
  if (tls && caOut === undefined) {
    output.note('clients need --insecure, or its certificate: see --ca-out');
  }
  // The server by itself does not keep Node running.
  const alive = setInterval(() => {}, 2 ** 30);
  await interrupted;
  clearInterval(alive);
  await server.close();
  return ExitCode.Done;
}

function writeCertificate(path: string, pem: string): void {
  try {
    writeFileSync(path, pem);
  } catch (error) {
    throw new UsageError(
      `--ca-out: ${JSON.stringify(path)} cannot be written: ${errorCode(error)}`,
    );
  }
}
