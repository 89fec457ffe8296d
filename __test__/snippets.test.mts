// Every code block of the documentation: TypeScript is compiled as a user's would be and run
// against the echo server; shell commands must exist.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import test from 'ava';
import { EchoServer } from 's9-websocket/testing';

import { blocks, pages, root } from './markdown.mjs';

/** Blocks marked `ts no-run`, which are compiled only; each with the reason. */
const NOT_RUN: Record<string, string> = {};

/** The hosts of the examples, in place of which the echo server is put. */
const HOST = /wss:\/\/[a-z.-]+\.example\.com/g;
const DEADLINE = 20_000;

const run = promisify(execFile);
const all = blocks();
const snippets = all.filter(block => block.info[0] === 'ts');

/** A package that depends on this one, as npm would install it. */
const user = mkdtempSync(join(tmpdir(), 's9-websocket-snippets-'));
const fileOf = (place: string, extension: string) =>
  join(user, `${place.replace(/\W+/g, '-')}.${extension}`);

test.before('every_snippet_compiles_as_a_users_would', async t => {
  t.timeout(60_000);
  mkdirSync(join(user, 'node_modules', '@types'), { recursive: true });
  symlinkSync(root, join(user, 'node_modules', 's9-websocket'), 'junction');
  // `ws` for the page that compares.
  for (const name of ['@types/node', '@types/ws', 'ws']) {
    const path = join('node_modules', name);
    symlinkSync(join(root, path), join(user, path), 'junction');
  }
  writeFileSync(join(user, 'package.json'), '{ "type": "module" }');
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    noUnusedLocals: true,
  };
  writeFileSync(
    join(user, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, include: ['*.mts'] }),
  );
  // A block that imports nothing is a module all the same.
  for (const { place, code } of snippets) {
    writeFileSync(fileOf(place, 'mts'), `${code}export {};\n`);
  }
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const compiled = await run(process.execPath, [tsc, '--project', user]).catch(error => error);
  t.is(compiled.stdout, '', 'the compiler has nothing to say');
});

test.after.always(() => rmSync(user, { recursive: true, force: true }));

for (const { place, info, next } of snippets.filter(({ info }) => !info.includes('no-run'))) {
  test(`${place} runs and prints what the page says`, async t => {
    // Only OpenSSL's roots can be given from outside.
    const server = await EchoServer.start({ tls: process.platform === 'linux' });
    const ca = fileOf(place, 'pem');
    writeFileSync(ca, server.ca ?? '');
    const script = fileOf(place, 'mjs');
    writeFileSync(script, readFileSync(script, 'utf8').replaceAll(HOST, server.url));
    // The first for this package's OpenSSL, the second for Node's.
    const trust = { SSL_CERT_FILE: ca, NODE_EXTRA_CA_CERTS: ca };
    const env = { ...process.env, ...(server.ca && trust) };
    const ran = await run(process.execPath, [script], { env, timeout: DEADLINE }).catch(e => e);
    await server.close();
    t.is(ran.stderr, '', info.join(' '));
    t.false(ran instanceof Error, `ended with ${ran.code ?? ran.signal}`);
    t.is(ran.stdout, next?.info[0] === 'text' ? next.code : '');
  });
}

test('every_block_is_covered', t => {
  t.true(snippets.length > 0);
  for (const { place, info } of all) {
    // The core's own page: a test of its documentation.
    if (place.startsWith('crates/core/') && info[0] === 'rust,no_run') continue;
    t.true(
      ['ts', 'sh', 'text', 'console'].includes(info[0] ?? ''),
      `${place}: nothing checks ${info[0]}`,
    );
  }
  const marked = snippets.filter(({ info }) => info.length > 1);
  t.deepEqual(
    marked.map(({ place, info }) => `${place} ${info.slice(1).join(' ')}`),
    Object.keys(NOT_RUN).map(place => `${place} no-run`),
  );
  const shown = new Set(snippets.map(({ next }) => next));
  for (const block of all.filter(({ info }) => info[0] === 'text')) {
    t.true(shown.has(block), `${block.place}: shows the output of no snippet`);
  }
});

test('what_to_try_again_after_is_told_by_one_function', t => {
  const functionIn = (text: string) => /^function mayPass[\s\S]*?^}$/m.exec(text)?.[0];
  const recorder = readFileSync(join(root, 'examples', 'order-book', 'recorder.mts'), 'utf8');
  const shown = all.flatMap(({ code }) => functionIn(code) ?? []);
  t.deepEqual(shown, [functionIn(recorder)]);
});

/** Commands in the running text count too: `npm run demo` is one wherever it stands. */
const COMMAND = /\b(npm (?:run|test)\b[^`\n#]*|cargo [^`\n#]*|node [^`\n#]*)/g;

test('every_command_exists', t => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const steps = readFileSync(join(root, 'scripts', 'test.mjs'), 'utf8');
  const commands = (text: string) => text.match(COMMAND)?.map(found => found.trim()) ?? [];
  const quotes = [...pages].flatMap(([page, text]) =>
    (text.match(/`[^`\n]+`/g) ?? []).flatMap(commands).map(command => [page, command] as const),
  );
  const lines = all
    .filter(({ info }) => info[0] === 'sh')
    .flatMap(({ place, code }) =>
      code.split('\n').flatMap(line => {
        const found = commands(line);
        const isChecked = found.length > 0 || line.trim() === '' || line.startsWith('#');
        t.true(isChecked, `${place}: nothing checks ${line}`);
        return found.map(command => [place, command] as const);
      }),
    );
  t.true(lines.length > 0 && quotes.length > 0);
  for (const [place, command] of [...lines, ...quotes]) {
    const [program, ...words] = command.split(/\s+/);
    const at = `${place}: ${command}`;
    if (program === 'npm') {
      t.true((words[0] === 'run' ? words[1] : words[0])! in scripts, at);
      const chosen = words[0] === 'test' && words[1] === '--' ? words.slice(2) : [];
      for (const step of chosen) t.regex(steps, new RegExp(`^ {2}${step}:`, 'm'), at);
    } else if (program === 'cargo') {
      const crate = words[words.indexOf('-p') + 1];
      if (words.includes('-p')) t.regex(crate ?? '', /^s9-websocket(-core)?$/, at);
    } else t.notThrows(() => readFileSync(join(root, words[0] ?? '')), at);
  }
});
