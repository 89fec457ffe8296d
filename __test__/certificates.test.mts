// Servers whose certificates must not be trusted: refused at once, with an error that says why.

import test from 'ava';
import { S9WebSocketError } from 's9-websocket';

import type { Answers, Fault } from './certificate-server-main.mjs';
import { ServerProcess } from './server-process.mjs';
import { observed, told, WAYS } from './ways.mjs';

let server: ServerProcess<Answers>;
let listening: Answers['listening'];
test.before(async () => {
  server = new ServerProcess('certificate-server-main.mjs');
  listening = await server.answer('listening');
});
test.after.always(() => server.stop());

/** Far above what a refusal takes, far below the deadline for connecting. */
const SOON = 10_000;

/** What the error says, in OpenSSL's words. */
const REFUSED: Record<Exclude<Fault, 'none'>, RegExp> = {
  expired: /certificate has expired/,
  not_yet_valid: /certificate is not yet valid/,
  wrong_name: /IP address mismatch/,
  self_signed: /self.signed certificate/,
  cut_chain: /unable to get local issuer certificate/,
};

for (const [name, way] of Object.entries(WAYS)) {
  for (const [fault, message] of Object.entries(REFUSED)) {
    test.serial(`${name}_refuses_a_certificate_that_is_${fault}`, async t => {
      const url = `wss://127.0.0.1:${listening.ports[fault as Fault]}`;
      const begun = performance.now();
      const running = way.run(url, { tls: { ca: listening.ca } }, event =>
        t.fail(`${event.type} came`),
      );
      const error = await t.throwsAsync(running, { instanceOf: S9WebSocketError });
      t.is(error.code, 'ERR_S9_TLS');
      t.regex(error.message, message);
      t.true(error.message.includes((error.cause as Error).message), 'the cause repeats nothing');
      t.true(performance.now() - begun < SOON);
    });
  }

  test.serial(`${name}_trusts_a_whole_chain`, async t => {
    const url = `wss://127.0.0.1:${listening.ports.none}`;
    const events = await observed(t, way, url, { tls: { ca: listening.ca } });
    t.deepEqual(told(events), ['activated', 'closed 1000 null', 'quit']);
  });
}

test('a_name_that_the_certificate_has_can_be_asked_for', async t => {
  const url = `wss://127.0.0.1:${listening.ports.wrong_name}`;
  const tls = { ca: listening.ca, servername: 'elsewhere.example' };
  const way = WAYS.non_blocking_run!;
  t.deepEqual(told(await observed(t, way, url, { tls })), [
    'activated',
    'closed 1000 null',
    'quit',
  ]);
});
