// The command line of `s9ws`: what it refuses, and how it says so.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import test from 'ava';

import { s9ws } from './command-line.mjs';

const folder = mkdtempSync(join(tmpdir(), 's9ws-'));
test.after.always(() => rmSync(folder, { recursive: true }));
const junk = join(folder, 'junk.pem');
writeFileSync(junk, 'no certificate');

const URL = 'ws://127.0.0.1:1';

for (const args of [['--help'], ['bench', '--help'], ['serve', '--help']]) {
  test(`s9ws ${args.join(' ')} fits a screen`, async t => {
    const { code, stdout, stderr } = await s9ws(args);
    t.is(code, 0);
    t.is(stderr, '');
    const lines = stdout.trimEnd().split('\n');
    // One line of the screen is the shell's prompt.
    t.true(lines.length <= 23, `${lines.length} lines`);
    t.deepEqual(
      lines.filter(line => line.length > 80),
      [],
    );
  });
}

test('the_version_is_the_packages', async t => {
  const { stdout } = await s9ws(['--version']);
  t.regex(stdout, /^\d+\.\d+\.\d+\n$/);
});

const WRONG: Array<[string[], RegExp]> = [
  [[], /which server\?/],
  [['example.com'], /invalid URL: "example\.com" \(allowed: ws:\/\/HOST or wss:\/\/HOST/],
  [['https://example.com'], /invalid URL: "https:\/\/example\.com"/],
  [['ws://'], /invalid URL: "ws:\/\/"/],
  [[URL, URL], /one URL is enough/],
  [[URL, 'ws://me:secret@host'], /one URL is enough, but there are "ws:.*" "ws:\/\/\*\*\*@host"/],
  [['wss://me:secret@ho st/a@b'], /invalid URL: "wss:\/\/\*\*\*@b"/],
  [['https://me:se@cret@host'], /invalid URL: "https:\/\/\*\*\*@host"/],
  [['me:secret@host'], /invalid URL: "\*\*\*@host"/],
  [['serve', 'ws://me:secret@host'], /was given "ws:\/\/\*\*\*@host"/],
  [[URL, '--cuont', '3'], /there is no option --cuont \(allowed: .*--count/],
  [[URL, '--count'], /--count needs a value/],
  [[URL, '--json=yes'], /--json takes no value, but was given "yes"/],
  [[URL, '-c', '1', '-c', '2'], /-c was given twice/],
  [[URL, '-c', '1.5'], /invalid --count: "1\.5" \(allowed: a whole number, 1 to/],
  [[URL, '--ping', 'often'], /invalid --ping: "often" \(allowed: a number, 0\.001 to 2000000\)/],
  [[URL, '--timeout', '0'], /invalid --timeout: "0"/],
  [
    [URL, '--client', 'fast'],
    /invalid --client: "fast" \(allowed: async, non-blocking, blocking\)/,
  ],
  [[URL, '--binary', 'octal'], /invalid --binary: "octal" \(allowed: hex, base64\)/],
  [[URL, '--send-binary', 'abc'], /invalid --send-binary: "abc" \(allowed: pairs of hexadecimal/],
  [
    [URL, '--send-binary', 'a*==', '-b', 'base64'],
    /invalid --send-binary: "a\*==" \(allowed: base64/,
  ],
  [[URL, '-H', 'Authorization Bearer secret'], /invalid --header: a field without name and colon/],
  [[URL, '-H', 'bad name: 1'], /ERR_S9_INVALID_CONFIGURATION: invalid headers: name with ' '/],
  [[URL, '--ca', join(folder, 'absent')], /--ca: ".*absent" cannot be read: ENOENT/],
  [[URL, '--ca', junk], /--ca: ".*junk\.pem" is no PEM file/],
  [[URL, '--cert', junk], /--cert and --key belong together/],
  [['bench', '--measure', 'speed'], /invalid --measure: "speed" \(allowed: ping, text, binary\)/],
  [['bench', '--size', '126', '--measure', 'ping'], /invalid --size: "126" .*8 to 125/],
  [['bench', '--client', 'fast'], /allowed: async, non-blocking, blocking, ws/],
  [['bench', URL, '--tls'], /--tls is for the echo server/],
  [['serve', '--port', '65536'], /invalid --port: "65536" \(allowed: a whole number, 0 to 65535\)/],
  [['serve', 'here'], /serve takes options only, but was given "here"/],
  [['serve', '--ca-out', junk], /--ca-out needs --tls/],
  [['serve', '--tls', '--ca-out', folder], /--ca-out: ".*" cannot be written: EISDIR/],
];

for (const [index, [args, message]] of WRONG.entries()) {
  test(`a wrong command line is refused with its reason, ${index}: ${message.source}`, async t => {
    const { code, stdout, stderr } = await s9ws(args);
    t.is(code, 2);
    t.is(stdout, '');
    t.regex(stderr, message);
    t.is(stderr.trimEnd().split('\n').length, 1, stderr);
    t.notRegex(stderr, /secret/, 'what may be a credential is not shown');
  });
}

const { decodeBinary } = createRequire(import.meta.url)('../../dist/cli/binary-text.js');

// All of it at once, by groups of four or two, was more than the stack of regular expressions takes.
for (const [format, bytesAt] of [
  ['base64', 3 / 4],
  ['hex', 1 / 2],
] as const) {
  test(`${format}_is_read_up_to_the_longest_line`, t => {
    const longest = 64 << 20;
    const text = 'A'.repeat(longest);
    t.is(decodeBinary('data', text, format).length, longest * bytesAt);
    t.throws(() => decodeBinary('data', `${text}*`, format), {
      message: /^invalid data: "A{64}…"/,
    });
  });
}

test('base64_is_read_with_padding_or_without_and_never_with_too_little_or_much', t => {
  for (const digits of ['', 'AA', 'AAA', 'AAAA', 'AAAAAA', 'Az09+/-_']) {
    const padding = '='.repeat((4 - (digits.length % 4)) % 4);
    for (const text of [digits, `${digits}${padding}`, ` ${digits}\n${padding} `]) {
      t.deepEqual(decodeBinary('data', text, 'base64'), Buffer.from(digits, 'base64'), text);
    }
  }
  for (const text of ['A', 'AAAAA', '=', '==', 'A===', 'AA=', 'AAA==', 'AAAA=', 'AAAA==', 'A=A=']) {
    t.throws(() => decodeBinary('data', text, 'base64'), { message: /^invalid data/ }, text);
  }
});
