// Every way to run a client, over ws:// and wss://, through a proxy that harms the connection: nothing
// hangs, is lost without a word, comes twice, displaced or in part, and nothing stays behind.

import test from 'ava';

import type { Fault } from './fault.mjs';
import { FaultProxy } from './fault-proxy.mjs';
import { type Case, COUNT, DONE, resourcesAfterAll, type Scene, survives } from './faults.mjs';
import type { Random } from './random.mjs';
import { WAYS } from './ways.mjs';

let scene: Scene;
test.before(async () => {
  const proxy = await FaultProxy.start();
  scene = { proxy, before: await resourcesAfterAll(proxy) };
});
test.after.always(() => scene.proxy.stop());

/** In the midst of the traffic. */
const amid = (random: Random, fault: Partial<Fault>): Fault => ({
  at: random.between(2, COUNT - 6),
  after: random.oneIn(3) ? 0 : random.between(1, 90),
  ...fault,
});

const IO = 'ERR_S9_IO';
const TLS = 'ERR_S9_TLS';

/** That a stream ends without a Close frame, or in the middle of TLS. */
const CUT = ['error ERR_S9_CONNECTION_CLOSED'];
const CUT_TLS = ['error ERR_S9_TLS'];
const LOST = ['closed 1006 null'];
const IN_VAIN = { ends: LOST, closesInVain: true } as const;
const SAFE = { ends: [DONE], complete: true } as const;

function cases(tls: boolean): Record<string, Case> {
  return {
    no_harm: { ...SAFE, fault: () => ({ at: 'accept', toClient: { kind: 'delay', most: 0 } }) },
    delays: {
      ...SAFE,
      fault: () => ({
        at: 'accept',
        toClient: { kind: 'delay', most: 5 },
        toServer: { kind: 'delay', most: 5 },
      }),
    },
    single_bytes: {
      ...SAFE,
      sizes: 'small',
      fault: () => ({ at: 'accept', toClient: { kind: 'chop' }, toServer: { kind: 'chop' } }),
    },
    coalesced_pieces: {
      ...SAFE,
      window: COUNT,
      fault: () => ({
        at: 'request',
        toClient: { kind: 'coalesce', time: 10 },
        toServer: { kind: 'coalesce', time: 10 },
      }),
    },
    a_stall_on_the_way_back: {
      ...SAFE,
      fault: random => amid(random, { toClient: { kind: 'stall', time: 100 } }),
    },
    a_stall_on_the_way_there: {
      ...SAFE,
      fault: random => amid(random, { after: 0, toServer: { kind: 'stall', time: 100 } }),
    },
    a_server_deaf_for_a_while: {
      ...SAFE,
      sizes: 'bulk',
      window: COUNT,
      options: () => ({ sendBufferSize: 64 << 10 }),
      fault: () => ({ at: 1, toServer: { kind: 'stall', time: 200 } }),
    },
    a_server_deaf_for_ever: {
      ...IN_VAIN,
      sizes: 'bulk',
      window: COUNT,
      patience: 150,
      options: ({ blocking }) => ({
        sendBufferSize: 64 << 10,
        ...(blocking && { writeTimeout: 10 }),
      }),
      fault: () => ({ at: 1, toServer: { kind: 'stall' } }),
    },
    a_reset_while_bytes_are_unsent: {
      ends: [`error ${IO}`],
      sizes: 'bulk',
      window: COUNT,
      options: () => ({ sendBufferSize: 64 << 10 }),
      fault: random => ({
        at: 1,
        // The one message that comes back has 150,000 bytes at least.
        after: random.between(1, 140_000),
        toClient: { kind: 'reset' },
        toServer: { kind: 'stall' },
      }),
    },
    an_end_of_the_way_back: {
      ends: tls ? CUT_TLS : CUT,
      fault: random => amid(random, { toClient: { kind: 'end' } }),
    },
    an_end_of_the_way_there: {
      ends: tls ? [...CUT, ...CUT_TLS] : CUT,
      fault: random => amid(random, { toServer: { kind: 'end' } }),
    },
    a_reset: {
      ends: [`error ${IO}`],
      fault: random => amid(random, { toClient: { kind: 'reset' } }),
    },
    silence: {
      ...IN_VAIN,
      patience: 100,
      fault: random =>
        amid(random, { toClient: { kind: 'swallow' }, toServer: { kind: 'swallow' } }),
    },
    silence_of_the_server_alone: {
      ...IN_VAIN,
      patience: 100,
      fault: random => amid(random, { toClient: { kind: 'swallow' } }),
    },
    silence_towards_the_server_alone: {
      ...IN_VAIN,
      patience: 100,
      fault: random => amid(random, { toServer: { kind: 'swallow' } }),
    },
    a_reset_in_place_of_the_answer_to_a_close: {
      ends: LOST,
      fault: () => ({ at: 'close', toClient: { kind: 'reset' } }),
    },
    an_end_in_place_of_the_answer_to_a_close: {
      ends: LOST,
      fault: () => ({ at: 'close', toClient: { kind: 'end' } }),
    },
    silence_in_place_of_the_answer_to_a_close: {
      ...IN_VAIN,
      fault: () => ({ at: 'close', toClient: { kind: 'swallow' } }),
    },
    nobody_who_listens: {
      ends: [`refused ${IO}`],
      fault: () => ({ at: 'accept', refused: true }),
    },
    a_reset_when_accepted: {
      ends: [`refused ${IO}`],
      fault: () => ({ at: 'accept', toClient: { kind: 'reset' } }),
    },
    an_end_when_accepted: {
      ends: [`refused ${tls ? IO : 'ERR_S9_HANDSHAKE'}`],
      fault: () => ({ at: 'accept', toClient: { kind: 'end' } }),
    },
    silence_when_accepted: {
      ends: ['refused ERR_S9_TIMEOUT'],
      options: () => ({ connectTimeout: 100 }),
      fault: () => ({ at: 'accept', toClient: { kind: 'swallow' } }),
    },
    ...upgradeCases(),
    ...(tls && tlsCases()),
  };
}

/** After the server has read the request and before the client has its answer. */
function upgradeCases(): Record<string, Case> {
  const within = (random: Random, toClient: Fault['toClient']): Fault => ({
    at: 'request',
    after: random.between(0, 120),
    toClient,
  });
  return {
    a_reset_within_the_upgrade: {
      ends: [`refused ${IO}`],
      fault: random => within(random, { kind: 'reset' }),
    },
    an_end_within_the_upgrade: {
      ends: ['refused ERR_S9_HANDSHAKE'],
      fault: random => within(random, { kind: 'end' }),
    },
    silence_within_the_upgrade: {
      ends: ['refused ERR_S9_TIMEOUT'],
      options: () => ({ connectTimeout: 150 }),
      fault: random => within(random, { kind: 'swallow' }),
    },
    a_stall_within_the_upgrade: {
      ...SAFE,
      fault: random => within(random, { kind: 'stall', time: 50 }),
    },
  };
}

function tlsCases(): Record<string, Case> {
  /** A handshake has some 700 bytes from this server. */
  const within = (random: Random, toClient: Fault['toClient']): Fault => ({
    at: 'accept',
    after: random.between(1, 600),
    toClient,
  });
  return {
    a_record_changed_on_the_way_back: {
      ends: CUT_TLS,
      fault: random => amid(random, { toClient: { kind: 'corrupt' } }),
    },
    a_record_changed_on_the_way_there: {
      ends: CUT_TLS,
      fault: random => amid(random, { toServer: { kind: 'corrupt' } }),
    },
    a_reset_within_the_tls_handshake: {
      ends: [`refused ${IO}`],
      fault: random => within(random, { kind: 'reset' }),
    },
    an_end_within_the_tls_handshake: {
      ends: [`refused ${IO}`],
      fault: random => within(random, { kind: 'end' }),
    },
    silence_within_the_tls_handshake: {
      ends: ['refused ERR_S9_TIMEOUT'],
      options: () => ({ connectTimeout: 100 }),
      fault: random => within(random, { kind: 'swallow' }),
    },
    a_stall_within_the_tls_handshake: {
      ...SAFE,
      fault: random => within(random, { kind: 'stall', time: 50 }),
    },
    a_record_of_the_tls_handshake_changed_on_the_way_back: {
      ends: [`refused ${TLS}`],
      fault: random => within(random, { kind: 'corrupt' }),
    },
    a_record_of_the_tls_handshake_changed_on_the_way_there: {
      ends: [`refused ${TLS}`],
      fault: () => ({ at: 'accept', toServer: { kind: 'corrupt' } }),
    },
    a_record_of_the_upgrade_changed: {
      ends: [`refused ${TLS}`],
      fault: () => ({ at: 'request', toClient: { kind: 'corrupt' } }),
    },
  };
}

for (const tls of [false, true]) {
  for (const [name, way] of Object.entries(WAYS)) {
    for (const [what, given] of Object.entries(cases(tls))) {
      test.serial(`${name}_${tls ? 'over_tls' : 'plain'}_survives_${what}`, t =>
        survives(t, scene, way, tls, given),
      );
    }
  }
}
