// docs/cli.md says what `s9ws` does: its commands are run, its tables are complete.

import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';

import test from 'ava';
import { EchoServer } from 's9-websocket/testing';

import { plainEnvironment, S9WS } from './command-line.mjs';
import { blocks, quoted, root, tableRows } from './markdown.mjs';

const PAGE = 'docs/cli.md';
const HOST = 'wss://echo.example.com';
const DEADLINE = 30_000;

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const inCli = (module: string) => require(join(root, 'dist', 'cli', `${module}.js`));

/** A folder with `s9ws` in it, as npm would link it. */
const bin = mkdtempSync(join(tmpdir(), 's9ws-'));
test.after.always(() => rmSync(bin, { recursive: true }));

/** The blocks are for a POSIX shell. */
const inShell = process.platform === 'win32' ? test.serial.skip : test.serial;

for (const { place, code } of blocks().filter(({ info }) => info[0] === 'console')) {
  inShell(`${place} prints what the page says`, async t => {
    writeFileSync(join(bin, 's9ws'), `#!/bin/sh\nexec "${process.execPath}" "${S9WS}" "$@"\n`);
    chmodSync(join(bin, 's9ws'), 0o755);
    // Only OpenSSL's roots can be given from outside.
    const server = await EchoServer.start({ tls: process.platform === 'linux' });
    const ca = join(bin, 'ca.pem');
    writeFileSync(ca, server.ca ?? '');
    const env = plainEnvironment({
      PATH: [bin, dirname(process.execPath), process.env.PATH].join(delimiter),
      ...(server.ca && { SSL_CERT_FILE: ca }),
    });
    const steps = code.split(/^\$ /m).slice(1);
    t.true(steps.length > 0);
    for (const step of steps) {
      const end = step.indexOf('\n');
      const command = step.slice(0, end).replaceAll(HOST, server.url);
      // Nothing to read for those that are given nothing: a test run may have a terminal.
      const ran = await run('sh', ['-c', `exec < /dev/null; ${command}`], {
        env,
        timeout: DEADLINE,
      }).catch(error => error);
      t.is(ran.stdout, step.slice(end + 1), `${command}\n${ran.stderr}`);
    }
    await server.close();
  });
}

for (const [heading, flags, help] of [
  ['flag', 'TALK_FLAGS', 'talk'],
  ['flag of bench', 'BENCH_FLAGS', 'bench'],
  ['flag of serve', 'SERVE_FLAGS', 'serve'],
] as const) {
  test(`every ${heading} is on the page and in the help, with its short name`, t => {
    const known: Record<string, { short?: string }> = inCli('flags')[flags];
    const wanted = Object.entries(known).map(([name, { short }]) =>
      [`--${name}`, ...(short ? [`-${short}`] : [])].join(' '),
    );
    const told = tableRows(PAGE, heading).map(row =>
      quoted(row[heading] ?? '')
        .filter(word => word.startsWith('-'))
        .join(' '),
    );
    t.deepEqual(told.sort(), wanted.sort());
    const text: string = inCli('help').HELP[help];
    for (const name of wanted.flatMap(names => names.split(' '))) {
      t.regex(text, new RegExp(`(^|[ ,])${name}\\b`, 'm'), name);
    }
  });
}

test('every_exit_code_is_on_the_page', t => {
  const told = tableRows(PAGE, 'exit code').map(row => row['exit code']);
  const codes: Record<string, number> = inCli('exit-code').ExitCode;
  t.deepEqual(told, [...Object.values(codes).map(String), '128 + N']);
});

test('every_command_of_the_prompt_is_on_the_page', t => {
  const told = tableRows(PAGE, 'line').map(row => quoted(row.line ?? '')[0]);
  const commands: string[] = inCli('prompt-line').SLASH_COMMANDS;
  t.deepEqual(told.filter(Boolean).sort(), [...commands].sort());
});
