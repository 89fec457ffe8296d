// The channels of the async client: every way to receive, their end, and what holds a peer up.

import { once } from 'node:events';

import test, { type ExecutionContext } from 'ava';
import {
  S9AsyncNonBlockingWebSocketClient as AsyncClient,
  type AsyncNonBlockingOptionsInit,
  ControlMessage,
  Receiver,
  type WebSocketEvent,
} from 's9-websocket';
import { EchoServer } from 's9-websocket/testing';

import { textFrame, upgradingPeer } from './unhelpful-peers.mjs';

const DISCONNECTED = { code: 'ERR_S9_CHANNEL_DISCONNECTED' };

/** A running client of an echo server, with `activated` received. */
async function running(t: ExecutionContext, options?: AsyncNonBlockingOptionsInit) {
  const server = await EchoServer.start();
  const client = await AsyncClient.connect(server.url, { spinWaitDuration: 60_000, ...options });
  t.teardown(async () => {
    client[Symbol.dispose]();
    await server.close();
  });
  const thread = client.run();
  t.is((await client.eventRx.recv()).type, 'activated');
  const say = (...texts: string[]) => {
    for (const text of texts) client.controlTx.send(ControlMessage.sendText(text));
  };
  return { server, client, thread, say, eventRx: client.eventRx };
}

const textOf = (event: WebSocketEvent | undefined) =>
  event?.type === 'textMessage' ? event.data : event?.type;

/** Waits until this many events are there. */
async function until(receiver: Receiver<WebSocketEvent>, wanted: number) {
  while (receiver.length < wanted) await new Promise(setImmediate);
}

test.serial('several_receives_are_served_in_order', async t => {
  const { eventRx, say } = await running(t);
  const waiting = Array.from({ length: 5 }, () => eventRx.recv());
  say('a', 'b', 'c', 'd', 'e');
  t.deepEqual((await Promise.all(waiting)).map(textOf), ['a', 'b', 'c', 'd', 'e']);
});

test.serial('a_receive_that_waits_comes_before_one_that_would_not_have_to', async t => {
  const { eventRx, say } = await running(t);
  const first = eventRx.recv();
  say('a', 'b');
  // Without a turn of the event loop, which would serve the first.
  while (eventRx.length < 2);
  t.deepEqual((await Promise.all([first, eventRx.recv()])).map(textOf), ['a', 'b']);
});

test.serial('recv_sync_waits_for_its_timeout_and_no_longer_than_for_an_event', async t => {
  const { eventRx, say } = await running(t);
  const begun = performance.now();
  t.is(eventRx.recvSync(120), undefined);
  t.true(performance.now() - begun >= 119);
  t.is(eventRx.recvSync(0), undefined);
  say('now');
  const asked = performance.now();
  t.is(textOf(eventRx.recvSync(60_000)), 'now');
  t.true(performance.now() - asked < 30_000);
  say('without end');
  t.is(textOf(eventRx.recvSync()), 'without end');
});

test.serial('try_recv_takes_what_is_there_and_never_waits', async t => {
  const { eventRx, say } = await running(t);
  t.is(eventRx.tryRecv(), undefined);
  say('a', 'b');
  await until(eventRx, 2);
  t.deepEqual([eventRx.tryRecv(), eventRx.tryRecv(), eventRx.tryRecv()].map(textOf), [
    'a',
    'b',
    undefined,
  ]);
});

test.serial('drain_takes_what_is_there_up_to_its_most', async t => {
  const { eventRx, say } = await running(t);
  t.deepEqual(eventRx.drain(), []);
  say('a', 'b', 'c', 'd');
  await until(eventRx, 4);
  t.is(eventRx.length, 4);
  t.deepEqual(eventRx.drain(1).map(textOf), ['a']);
  t.deepEqual(eventRx.drain(2).map(textOf), ['b', 'c']);
  t.is(eventRx.length, 1);
  t.deepEqual(eventRx.drain(1_000_000).map(textOf), ['d']);
  t.is(eventRx.length, 0);
});

test.serial('small_and_large_messages_of_every_kind_keep_their_order_and_bytes', async t => {
  const { client, eventRx } = await running(t);
  // Around what is copied at once, what fits a slab beside others, and what takes a slab of its own.
  const sizes = [0, 1, 4095, 4096, 100, 32_768, 3, 65_535, 65_536, 70, 200_000, 5_000, 2];
  const sent = Array.from({ length: 260 }, (_, number) => {
    const letter = String.fromCharCode(97 + (number % 26));
    const size = sizes[number % sizes.length] as number;
    return [letter.repeat(size), 'ä'.repeat(size / 2), Buffer.alloc(size, letter)][number % 3]!;
  });
  for (const data of sent) {
    const message =
      typeof data === 'string' ? ControlMessage.sendText(data) : ControlMessage.sendBinary(data);
    client.controlTx.send(message);
  }
  await until(eventRx, sent.length);
  const received: unknown[] = [];
  for (let turn = 0; received.length < sent.length; turn++) {
    // Kept as they are: no view may change when later ones are taken.
    const events = eventRx.drain([1, 7, 1_000][turn % 3 === 2 && turn < 30 ? 0 : turn % 3]);
    for (const event of events) received.push('data' in event ? event.data : event.type);
  }
  t.is(eventRx.length, 0);
  for (const [index, data] of sent.entries()) {
    const other = received[index];
    const same = Buffer.isBuffer(data) ? data.equals(other as Buffer) : data === other;
    if (!same) return t.fail(`message ${index} of ${data.length} came as another`);
  }
  t.pass();
});

test.serial('wrong_limits_are_refused_by_name', async t => {
  const { eventRx, thread } = await running(t);
  for (const wrong of [-1, Number.NaN, '1', null]) {
    const expected = { code: 'ERR_S9_INVALID_CONFIGURATION', message: /^invalid timeout: / };
    t.throws(() => eventRx.recvSync(wrong as number), expected);
    t.throws(() => thread.joinSync(wrong as number), expected);
  }
  for (const wrong of [0, -1, 1.5, Number.NaN, '1', null]) {
    t.throws(() => eventRx.drain(wrong as number), {
      code: 'ERR_S9_INVALID_CONFIGURATION',
      message: /^invalid max: .* \(allowed: a whole number, 1 to /,
    });
  }
});

test.serial('all_ways_to_receive_can_be_mixed_and_lose_nothing', async t => {
  const { client, eventRx, say } = await running(t);
  const wanted = 3_000;
  say(...Array.from({ length: wanted }, (_, number) => String(number)));
  client.controlTx.send(ControlMessage.close());
  const texts: unknown[] = [];
  const iterator = eventRx[Symbol.asyncIterator]();
  for (let turn = 0; texts.at(-1) !== 'quit'; turn++) {
    const taken = [
      async () => [(await iterator.next()).value],
      async () => [await eventRx.recv()],
      () => [eventRx.recvSync()],
      () => [eventRx.tryRecv()],
      () => eventRx.drain(7),
    ][turn % 5]?.();
    for (const event of (await taken) ?? []) if (event) texts.push(textOf(event));
  }
  const numbers = Array.from({ length: wanted }, (_, number) => String(number));
  t.deepEqual(texts, [...numbers, 'connectionClosed', 'quit']);
});

for (const way of ['recv', 'iteration']) {
  test.serial(`a_long_row_of_events_by_${way}_leaves_the_event_loop_its_turns`, async t => {
    const { eventRx, say } = await running(t);
    const wanted = 20_000;
    say(...new Array(wanted).fill('x'));
    await until(eventRx, wanted);
    let turns = 0;
    const turn = () => {
      turns++;
      immediate = setImmediate(turn);
    };
    let immediate = setImmediate(turn);
    const iterator = eventRx[Symbol.asyncIterator]();
    for (let count = 0; count < wanted; count++) {
      if (way === 'recv') await eventRx.recv();
      else await iterator.next();
    }
    clearImmediate(immediate);
    t.true(turns >= 3, `${turns} turns`);
  });
}

test.serial('an_iteration_ends_after_quit_and_another_ends_at_once', async t => {
  const { client, eventRx } = await running(t);
  client.controlTx.send(ControlMessage.close());
  const types: string[] = [];
  for await (const event of eventRx) types.push(event.type);
  t.deepEqual(types, ['connectionClosed', 'quit']);
  for await (const event of eventRx) t.fail(event.type);
});

test.serial('an_iteration_that_is_left_can_be_taken_up_again', async t => {
  const { eventRx, say } = await running(t);
  say('a', 'b', 'c');
  await until(eventRx, 3);
  for await (const event of eventRx) {
    t.is(textOf(event), 'a');
    break;
  }
  for await (const event of eventRx) {
    t.is(textOf(event), 'b');
    break;
  }
  t.is(textOf(await eventRx.recv()), 'c');
});

test.serial('an_ended_channel_is_disconnected_once_all_has_been_received', async t => {
  const { client, eventRx, thread } = await running(t);
  const waiting = Array.from({ length: 4 }, () => eventRx.recv());
  client.controlTx.send(ControlMessage.close());
  const [closed, quit, ...others] = await Promise.allSettled(waiting);
  t.deepEqual(
    [closed, quit].map(settled => settled?.status === 'fulfilled' && settled.value.type),
    ['connectionClosed', 'quit'],
  );
  for (const other of others) {
    t.like(other, { status: 'rejected', reason: DISCONNECTED });
  }
  await thread.join();
  await t.throwsAsync(eventRx.recv(), DISCONNECTED);
  t.throws(() => eventRx.recvSync(), DISCONNECTED);
  t.throws(() => eventRx.recvSync(10), DISCONNECTED);
  t.throws(() => eventRx.tryRecv(), DISCONNECTED);
  t.deepEqual(eventRx.drain(), []);
  t.is(eventRx.length, 0);
});

test.serial('a_receive_that_waits_ends_with_the_client', async t => {
  for (const started of [true, false]) {
    const server = await EchoServer.start();
    const client = await AsyncClient.connect(server.url);
    if (started) {
      client.run();
      t.is((await client.eventRx.recv()).type, 'activated');
    }
    const waiting = client.eventRx.recv();
    client[Symbol.dispose]();
    const [settled] = await Promise.allSettled([waiting]);
    if (settled?.status === 'fulfilled')
      t.true(['connectionClosed', 'quit'].includes(settled.value.type));
    else t.like(settled?.reason, DISCONNECTED);
    await server.close();
  }
});

test.serial('the_join_handle_tells_when_the_thread_has_ended', async t => {
  const { client, thread } = await running(t);
  t.false(thread.isFinished);
  t.false(thread.joinSync(0));
  t.false(thread.joinSync(60));
  const joins = [thread.join(), thread.join()];
  client.controlTx.send(ControlMessage.close());
  await Promise.all(joins);
  t.true(thread.isFinished);
  t.true(thread.joinSync());
  t.true(thread.joinSync(0));
  await thread.join();
});

test.serial('join_sync_waits_for_the_end', async t => {
  const { client, thread } = await running(t);
  client.controlTx.send(ControlMessage.close());
  t.true(thread.joinSync());
  t.true(thread.isFinished);
});

test.serial('a_second_run_is_refused', async t => {
  const { client, thread } = await running(t);
  t.throws(() => client.run(), { code: 'ERR_S9_SOCKET_UNAVAILABLE' });
  client.controlTx.send(ControlMessage.close());
  await thread.join();
  t.throws(() => client.run(), { code: 'ERR_S9_SOCKET_UNAVAILABLE' });
  t.is(client.socket, null);
});

test.serial('what_one_receiver_leaves_another_can_take', async t => {
  const { client, say } = await running(t);
  const one = Receiver.fromHandle(client.eventRx.handle);
  const other = Receiver.fromHandle(client.eventRx.handle);
  let kept = 0;
  for (let number = 0; number < 2_000; number++) {
    say(String(number));
    for (;;) {
      const event = one.tryRecv();
      if (event) break;
      // Counted in one receiver's length alone, it is out of the other's reach.
      if (one.length > other.length) kept++;
    }
  }
  t.is(kept, 0);
});

/** Of the messages with which a channel is filled. */
const LENGTH = 60_000;

/** A client that takes nothing until `full` events wait; then all has to come, in order. */
async function filled(
  t: ExecutionContext,
  options: AsyncNonBlockingOptionsInit,
  full: number,
): Promise<void> {
  const wanted = 3_000;
  let written = 0;
  const peer = await upgradingPeer(async socket => {
    socket.resume();
    while (written < wanted) {
      const taken = socket.write(textFrame(`${written++} `.padEnd(LENGTH, 'x')));
      if (!taken) await once(socket, 'drain');
    }
    socket.end();
  });
  t.teardown(() => peer.close());
  const client = await AsyncClient.connect(peer.url, options);
  client.run();
  await until(client.eventRx, full);
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  // The kernel's buffers fill, and then nothing moves any more.
  let held = -1;
  while (held !== written) {
    held = written;
    await new Promise(resolve => setTimeout(resolve, 200));
  }
  t.true(held < wanted / 2, `the peer got rid of ${held} of ${wanted} messages`);
  t.is(client.eventRx.length, full);
  const grown = (process.memoryUsage().rss - before) / 2 ** 20;
  t.true(grown < 60, `memory grew by ${grown} MiB`);

  const numbers: number[] = [];
  for await (const event of client.eventRx) {
    if (event.type === 'textMessage') numbers.push(Number.parseInt(event.data, 10));
  }
  t.deepEqual(
    numbers,
    Array.from({ length: wanted }, (_, number) => number),
  );
}

test.serial('a_full_channel_holds_the_peer_up_and_loses_nothing', async t => {
  await filled(t, { eventCapacity: 16 }, 16);
});

test.serial('a_channel_full_by_bytes_holds_the_peer_up_and_loses_nothing', async t => {
  // `activated` has none, and a message is taken while there is any room.
  await filled(t, { eventCapacityBytes: 15 * LENGTH + 1 }, 17);
});

test.serial('a_channel_takes_a_message_larger_than_its_bound_on_bytes', async t => {
  const { client, eventRx, say } = await running(t, { eventCapacityBytes: 1 });
  for (const text of ['a', 'b'.repeat(1 << 20)]) {
    say(text);
    t.is(textOf(await eventRx.recv()), text);
  }
  client.controlTx.send(ControlMessage.close());
});
