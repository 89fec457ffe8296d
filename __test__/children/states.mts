// The states of a client in which a process or a worker thread may end.

import {
  S9AsyncNonBlockingWebSocketClient as AsyncClient,
  S9BlockingWebSocketClient as BlockingClient,
  S9NonBlockingWebSocketClient as NonBlockingClient,
} from 's9-websocket';

/** Calls `reached` once it is in its state or, if that blocks, right before. */
export type State = (url: string, reached: () => void) => unknown;

interface Sends {
  sendTextMessage(text: string): void;
  sendBinaryMessage(data: Uint8Array): void;
}

const WAITING = { spinWaitDuration: 60_000 };
const UNVERIFIED = { tls: { rejectUnauthorized: false } };
const CHUNK = new Uint8Array(1 << 20);

/** Sends back what comes, so that an echo server and it have no rest. */
function busy(reached: () => void) {
  return {
    onActivated: (client: Sends) => client.sendTextMessage('ball'),
    onTextMessage(client: Sends, text: string) {
      client.sendTextMessage(text);
      reached();
    },
  };
}

/** Nothing comes after the first message. */
function idle(reached: () => void) {
  return {
    onActivated: (client: Sends) => client.sendTextMessage('only one'),
    onTextMessage: () => reached(),
  };
}

/** Hears of every turn. */
function polled(reached: () => void) {
  return { onPoll: () => reached(), onIdle() {} };
}

/** Sends to a peer that reads nothing. */
function sending(reached: () => void) {
  return {
    onActivated(client: Sends) {
      reached();
      for (let chunk = 0; chunk < 64; chunk++) client.sendBinaryMessage(CHUNK);
    },
  };
}

/** With an echo server. */
export const ECHOED = {
  async run_sync_busy(url, reached) {
    (await NonBlockingClient.connect(url)).runSync(busy(reached));
  },
  async run_sync_idle(url, reached) {
    (await NonBlockingClient.connect(url)).runSync(idle(reached));
  },
  async run_sync_waiting(url, reached) {
    (await NonBlockingClient.connect(url, WAITING)).runSync(idle(reached));
  },
  async run_sync_polled(url, reached) {
    (await NonBlockingClient.connect(url)).runSync(polled(reached));
  },
  async run_sync_polled_waiting(url, reached) {
    (await NonBlockingClient.connect(url, WAITING)).runSync(polled(reached));
  },
  async run_busy(url, reached) {
    await (await NonBlockingClient.connect(url)).run(busy(reached));
  },
  async run_idle(url, reached) {
    await (await NonBlockingClient.connect(url)).run(idle(reached));
  },
  async run_waiting(url, reached) {
    await (await NonBlockingClient.connect(url, WAITING)).run(idle(reached));
  },
  async thread_busy(url, reached) {
    const client = await NonBlockingClient.connect(url);
    await client.run(busy(reached), { on: 'background-thread' });
  },
  async thread_waiting(url, reached) {
    const client = await NonBlockingClient.connect(url, WAITING);
    await client.run(idle(reached), { on: 'background-thread' });
  },
  async blocking_run_sync_busy(url, reached) {
    (await BlockingClient.connect(url)).runSync(busy(reached));
  },
  async blocking_run_sync_in_a_read(url, reached) {
    (await BlockingClient.connect(url)).runSync(idle(reached));
  },
  async blocking_run(url, reached) {
    await (await BlockingClient.connect(url)).run(idle(reached));
  },
  async poll(url, reached) {
    const client = await NonBlockingClient.connect(url);
    const handler = busy(reached);
    while (client.poll(handler)) await new Promise(setImmediate);
  },
  async async_full_channel(url, reached) {
    const client = await AsyncClient.connect(url, { eventCapacity: 4 });
    client.run();
    for (let number = 0; number < 64; number++) {
      client.controlTx.send({ type: 'sendText', text: String(number) });
    }
    while (client.eventRx.length < 4) await new Promise(setImmediate);
    reached();
    // Keeps the client, and the event loop, without receiving.
    setInterval(() => client.eventRx.length, 1_000);
  },
  async async_recv(url, reached) {
    const client = await AsyncClient.connect(url);
    client.run();
    await client.eventRx.recv();
    reached();
    await client.eventRx.recv();
  },
  async async_iteration(url, reached) {
    const client = await AsyncClient.connect(url);
    client.run();
    for await (const event of client.eventRx) {
      if (event.type === 'textMessage') reached();
      if (event.type === 'activated' || event.type === 'textMessage') {
        client.controlTx.send({ type: 'sendText', text: 'ball' });
      }
    }
  },
  async async_join(url, reached) {
    const client = await AsyncClient.connect(url);
    const thread = client.run();
    reached();
    await thread.join();
  },
  async async_recv_sync(url, reached) {
    const client = await AsyncClient.connect(url);
    client.run();
    client.eventRx.recvSync();
    reached();
    client.eventRx.recvSync();
  },
  async async_join_sync(url, reached) {
    const client = await AsyncClient.connect(url, WAITING);
    const thread = client.run();
    reached();
    thread.joinSync();
  },
} as const satisfies Record<string, State>;

/** With an echo server over TLS, whose library has an end of its own in a process that exits. */
export const ECHOED_OVER_TLS = {
  async tls_run_sync_busy(url, reached) {
    (await NonBlockingClient.connect(url, UNVERIFIED)).runSync(busy(reached));
  },
  async tls_thread_busy(url, reached) {
    const client = await NonBlockingClient.connect(url, UNVERIFIED);
    await client.run(busy(reached), { on: 'background-thread' });
  },
  async tls_blocking_run(url, reached) {
    await (await BlockingClient.connect(url, UNVERIFIED)).run(busy(reached));
  },
} as const satisfies Record<string, State>;

/** With a peer that accepts TCP and never answers. */
export const UNANSWERED = {
  async connecting(url, reached) {
    const connecting = NonBlockingClient.connect(url);
    reached();
    await connecting;
  },
  connecting_sync(url, reached) {
    reached();
    BlockingClient.connectSync(url);
  },
  async connecting_tls(url, reached) {
    const connecting = AsyncClient.connect(url.replace('ws:', 'wss:'));
    reached();
    await connecting;
  },
} as const satisfies Record<string, State>;

/** With a peer whose answer to the upgrade never ends. */
export const ANSWERED_WITHOUT_END = {
  async connecting_without_end(url, reached) {
    const connecting = BlockingClient.connect(url);
    reached();
    await connecting;
  },
  connecting_sync_without_end(url, reached) {
    reached();
    NonBlockingClient.connectSync(url);
  },
} as const satisfies Record<string, State>;

/** With a peer that does not even accept TCP. */
export const UNACCEPTED = {
  async connecting_tcp(url, reached) {
    const connecting = BlockingClient.connect(url);
    reached();
    await connecting;
  },
  connecting_tcp_sync(url, reached) {
    reached();
    NonBlockingClient.connectSync(url);
  },
} as const satisfies Record<string, State>;

/** With a peer that upgrades and then reads nothing. */
export const UNREAD = {
  async send_run_sync(url, reached) {
    (await NonBlockingClient.connect(url, { maxBufferedAmount: 1 << 30 })).runSync(
      sending(reached),
    );
  },
  async send_run(url, reached) {
    const options = { maxBufferedAmount: 1 << 30 };
    await (await NonBlockingClient.connect(url, options)).run(sending(reached));
  },
  async send_thread(url, reached) {
    const client = await NonBlockingClient.connect(url, { maxBufferedAmount: 1 << 30 });
    await client.run(sending(reached), { on: 'background-thread' });
  },
  async send_blocking_run(url, reached) {
    const options = { maxBufferedAmount: 1 << 30 };
    await (await BlockingClient.connect(url, options)).run(sending(reached));
  },
  async send_blocking_run_sync(url, reached) {
    const options = { maxBufferedAmount: 1 << 30 };
    (await BlockingClient.connect(url, options)).runSync(sending(reached));
  },
} as const satisfies Record<string, State>;

export const STATES: Record<string, State> = {
  /** What ends take by themselves, to compare with. */
  without_a_client(_url, reached) {
    setInterval(() => {}, 1_000);
    setImmediate(reached);
  },
  ...ECHOED,
  ...ECHOED_OVER_TLS,
  ...UNANSWERED,
  ...ANSWERED_WITHOUT_END,
  ...UNACCEPTED,
  ...UNREAD,
};
