// Every way to run a client, on handlers that know no more of it than how to send and to close.

import {
  S9AsyncNonBlockingWebSocketClient as AsyncClient,
  S9BlockingWebSocketClient as BlockingClient,
  S9NonBlockingWebSocketClient as NonBlockingClient,
} from 's9-websocket';

export interface Reactions {
  activated?(client: { send(text: string): void; close(): void }): void;
  text?(client: { send(text: string): void; close(): void }, text: string): void;
}

type Callbacks = NonBlockingClient | BlockingClient;

function handler(reactions: Reactions) {
  const facing = (client: Callbacks) => ({
    send: (text: string) => client.sendTextMessage(text),
    close: () => client.close(),
  });
  return {
    onActivated: (client: Callbacks) => reactions.activated?.(facing(client)),
    onTextMessage: (client: Callbacks, text: string) => reactions.text?.(facing(client), text),
  };
}

export const WAYS_TO_RUN = {
  run: async (url, reactions) => {
    await (await NonBlockingClient.connect(url)).run(handler(reactions));
  },
  run_waiting: async (url, reactions) => {
    const client = await NonBlockingClient.connect(url, { spinWaitDuration: 60_000 });
    await client.run(handler(reactions));
  },
  run_sync: async (url, reactions) => {
    (await NonBlockingClient.connect(url)).runSync(handler(reactions));
  },
  thread: async (url, reactions) => {
    const client = await NonBlockingClient.connect(url);
    await client.run(handler(reactions), { on: 'background-thread' });
  },
  poll: async (url, reactions) => {
    const client = await NonBlockingClient.connect(url);
    const handled = handler(reactions);
    while (client.poll(handled)) await new Promise(setImmediate);
  },
  blocking_run: async (url, reactions) => {
    await (await BlockingClient.connect(url)).run(handler(reactions));
  },
  blocking_run_sync: async (url, reactions) => {
    (await BlockingClient.connect(url)).runSync(handler(reactions));
  },
  async_channels: async (url, reactions) => {
    const client = await AsyncClient.connect(url);
    const thread = client.run();
    const facing = {
      send: (text: string) => client.controlTx.send({ type: 'sendText', text }),
      close: () => client.controlTx.send({ type: 'close' }),
    };
    for await (const event of client.eventRx) {
      if (event.type === 'activated') reactions.activated?.(facing);
      if (event.type === 'textMessage') reactions.text?.(facing, event.data);
    }
    await thread.join();
  },
} as const satisfies Record<string, (url: string, reactions: Reactions) => Promise<void>>;

export type WayToRun = keyof typeof WAYS_TO_RUN;
