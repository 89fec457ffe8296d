// `quickAck` from JavaScript down to the kernel, by what the kernel then does.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import test from 'ava';
import {
  ControlMessage,
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
} from 's9-websocket';
import { WebSocketServer } from 'ws';

const onLinux = process.platform === 'linux' ? test.serial : test.serial.skip;

/** How often the gap is measured: the median of so many is the kernel's doing, not the machine's. */
const PAIRS = 9;
/** Linux puts an ACK off by 40 ms at least where it waits for something to send it along with. */
const HALF_OF_DELAYED_ACK = 20;

interface Options {
  quickAck: boolean;
  spinWaitDuration: number;
}

/** Calls `next` with each message's time of arrival; that says what to send, or nothing to close. */
type Run = (
  url: string,
  options: Options,
  next: (at: number) => string | undefined,
) => Promise<void>;

function callbacks(
  Client: typeof S9NonBlockingWebSocketClient | typeof S9BlockingWebSocketClient,
): Run {
  return async (url, options, next) => {
    const client = await Client.connect(url, options);
    await client.run({
      onTextMessage(client: S9NonBlockingWebSocketClient | S9BlockingWebSocketClient) {
        const answer = next(client.receivedAt);
        if (answer === undefined) client.close();
        else if (answer) client.sendTextMessage(answer);
      },
    });
  };
}

const RUNS: Record<string, Run> = {
  non_blocking: callbacks(S9NonBlockingWebSocketClient),
  blocking: callbacks(S9BlockingWebSocketClient),
  async async(url, options, next) {
    const client = await S9AsyncNonBlockingWebSocketClient.connect(url, options);
    client.run();
    for await (const event of client.eventRx) {
      if (event.type !== 'textMessage') continue;
      const answer = next(event.receivedAt);
      if (answer === undefined) client.controlTx.send(ControlMessage.close());
      else if (answer) client.controlTx.send(ControlMessage.sendText(answer));
    }
  },
};

/**
 * A server that answers with two small messages, the second of which its kernel keeps back until the
 * first has been acknowledged (RFC 896).
 */
async function serverOfPairs() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  server.on('connection', (peer, { socket }) => {
    socket.setNoDelay(false);
    const sendPair = () => {
      peer.send('first');
      // Not along with it: the kernel is to see two writes.
      setImmediate(() => peer.send('second'));
    };
    peer.on('message', sendPair);
    sendPair();
  });
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** Milliseconds from the first to the second message of a pair, the median. */
async function gap(url: string, run: Run, quickAck: boolean): Promise<number> {
  const times: number[] = [];
  await run(url, { quickAck, spinWaitDuration: 1_000 }, at => {
    times.push(at);
    if (times.length === 2 * PAIRS) return undefined;
    return times.length % 2 === 0 ? 'next' : '';
  });
  const gaps = times.flatMap((at, index) => (index % 2 === 1 ? [at - times[index - 1]!] : []));
  return gaps.sort((a, b) => a - b)[PAIRS >> 1]!;
}

for (const [name, run] of Object.entries(RUNS)) {
  onLinux(`${name}_quickAck_decides_whether_an_acknowledgement_waits`, async t => {
    const { url, server } = await serverOfPairs();
    t.teardown(() => server.close());
    const quick = await gap(url, run, true);
    const slow = await gap(url, run, false);
    t.true(quick < HALF_OF_DELAYED_ACK, `acknowledged at once, the second came after ${quick} ms`);
    t.true(slow > HALF_OF_DELAYED_ACK, `acknowledged late, the second came after ${slow} ms`);
  });
}
