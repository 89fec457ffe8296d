// Some seconds of the soak, so that it works when it is wanted: `npm run soak -- --minutes 10` is the
// real one. Its arithmetic.

import test from 'ava';

import { violations } from './soak/judge.mjs';
import { planOf } from './soak/plan.mjs';
import type { ClientRecord, ServerRecord } from './soak/records.mjs';
import { flat } from './soak/report.mjs';
import { runSoak } from './soak/run.mjs';
import { trendOf } from './soak/trend.mjs';

const SECONDS = 10;

test.serial('some_seconds_of_the_soak_lose_nothing', async t => {
  const result = await runSoak(1, SECONDS * 1_000, line => t.log(line));
  t.deepEqual([...result.troubles, ...violations(result.evidence)], []);
  t.true(result.evidence.clients.length > 20);
});

test('a_line_is_fitted_with_the_error_of_its_slope', t => {
  const line = (noise: (x: number) => number) =>
    trendOf(Array.from({ length: 100 }, (_, x) => ({ x, y: 5 + 2 * x + noise(x) })));
  t.deepEqual(
    line(() => 0),
    { slope: 2, error: 0 },
  );
  const noisy = line(x => (x % 2 === 0 ? 10 : -10));
  t.true(Math.abs(noisy.slope - 2) < 0.05);
  // The textbook's: 10 / sqrt(sum of squares of x around its mean), that is 83,325.
  t.true(Math.abs(noisy.error - 0.035) < 0.001, String(noisy.error));
  t.true(flat(noisy, 1.95));
  t.false(flat(noisy, 1.8));
});

/** A connection with such a plan, as both sides count it where nothing goes wrong. */
function uneventful(ending: string): { client: ClientRecord; server: ServerRecord } {
  let id = 1;
  while (planOf(1, id).ending !== ending) id++;
  const counts = { sent: 9, received: 7, pingsSent: 3, pingsReceived: 2, pongsReceived: 3 };
  const violations: string[] = [];
  return {
    client: {
      id,
      way: 'run',
      ending: 'client-close',
      outcome: 'closed 1000',
      violations,
      ...counts,
    },
    server: {
      id,
      code: 1000,
      restarted: false,
      violations,
      ...{ sent: 7, received: 9, pingsSent: 2, pingsReceived: 3, pongsReceived: 2 },
    },
  };
}

for (const [what, spoil, message] of [
  ['nothing_wrong', () => {}, undefined],
  ['a_message_lost_to_the_client', c => c.client.received--, /1 of 7 messages lost to the client/],
  ['a_message_lost_to_the_server', c => c.server.received--, /1 of 9 messages lost to the server/],
  ['a_message_too_many', c => c.server.received++, /10 messages came to the server, 9 were sent/],
  ['a_ping_lost', c => c.server.pingsReceived--, /1 of 3 pings lost/],
  ['a_wrong_end', c => (c.client.outcome = 'quit'), /client-close ended in quit/],
  ['a_wrong_code', c => (c.server.code = 1006), /the server saw 1006/],
  ['a_wrong_message', c => c.client.violations.push('received x'), /received x/],
] as [string, (connection: ReturnType<typeof uneventful>) => unknown, RegExp | undefined][]) {
  test(`the_judge_sees_${what}`, t => {
    const connection = uneventful('client-close');
    spoil(connection);
    const evidence = { seed: 1, clients: [connection.client], servers: [connection.server] };
    const found = violations({ ...evidence, restarts: [] });
    if (message) t.regex(found.join(), message);
    else t.deepEqual(found, []);
  });
}

test('the_judge_misses_records', t => {
  const { client, server } = uneventful('client-close');
  const seed = 1;
  t.is(violations({ seed, clients: [client], servers: [], restarts: [] }).length, 1);
  t.is(violations({ seed, clients: [], servers: [server], restarts: [] }).length, 1);
  const failed = { ...client, outcome: 'not connected ERR_S9_IO', failedAt: 5_000 };
  const evidence = { seed, clients: [failed], servers: [] };
  t.is(violations({ ...evidence, restarts: [] }).length, 1);
  t.is(violations({ ...evidence, restarts: [{ from: 4_900, to: 5_100 }] }).length, 0);
});
