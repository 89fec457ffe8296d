// What every way to run a client has in common, over ws:// and wss://, against the echo server.

import test from 'ava';
import {
  ControlMessage,
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
  type WebSocketEvent,
} from 's9-websocket';
import { EchoServer } from 's9-websocket/testing';

/** What the suite sends and does, whoever does it. */
interface Speaker {
  text(text: string): void;
  binary(data: Uint8Array): void;
  ping(data: Uint8Array): void;
  close(code: number, reason: string): void;
  forceQuit(): void;
}

type React = (event: WebSocketEvent, speaker: Speaker) => void;
type Options = { tls?: { ca: string } };
type Way = (url: string, options: Options, react: React) => Promise<void>;
type CallbackClient = S9NonBlockingWebSocketClient | S9BlockingWebSocketClient;

function speakerOf(client: CallbackClient): Speaker {
  return {
    text: text => client.sendTextMessage(text),
    binary: data => client.sendBinaryMessage(data),
    ping: data => client.sendPing(data),
    close: (code, reason) => client.close(code, reason),
    forceQuit: () => client.forceQuit(),
  };
}

function handlerOf(client: CallbackClient, react: React) {
  const tell = (event: WebSocketEvent) => react(event, speakerOf(client));
  const receivedAt = 0;
  return {
    onActivated: () => tell({ type: 'activated', receivedAt }),
    onTextMessage: (_: unknown, data: string) => tell({ type: 'textMessage', data, receivedAt }),
    onBinaryMessage: (_: unknown, data: Buffer) =>
      tell({ type: 'binaryMessage', data, receivedAt }),
    onPing: (_: unknown, data: Buffer) => tell({ type: 'ping', data, receivedAt }),
    onPong: (_: unknown, data: Buffer) => tell({ type: 'pong', data, receivedAt }),
    onConnectionClosed: (_: unknown, reason: string | null, code: number) =>
      tell({ type: 'connectionClosed', code, reason, receivedAt }),
    onError: (_: unknown, error: Error) => {
      throw error;
    },
    onQuit: () => tell({ type: 'quit', receivedAt }),
  };
}

const WAYS: Record<string, Way> = {
  async non_blocking_run(url, options, react) {
    const client = await S9NonBlockingWebSocketClient.connect(url, options);
    await client.run(handlerOf(client, react));
  },
  async non_blocking_run_waiting(url, options, react) {
    const waiting = { ...options, spinWaitDuration: 50 };
    const client = await S9NonBlockingWebSocketClient.connect(url, waiting);
    await client.run(handlerOf(client, react));
  },
  async non_blocking_run_sync(url, options, react) {
    const client = S9NonBlockingWebSocketClient.connectSync(url, options);
    client.runSync(handlerOf(client, react));
  },
  async non_blocking_thread(url, options, react) {
    const client = await S9NonBlockingWebSocketClient.connect(url, options);
    await client.run(handlerOf(client, react), { on: 'background-thread' });
  },
  async non_blocking_poll(url, options, react) {
    const client = await S9NonBlockingWebSocketClient.connect(url, options);
    const handler = handlerOf(client, react);
    while (client.poll(handler));
  },
  async blocking_run(url, options, react) {
    const client = await S9BlockingWebSocketClient.connect(url, options);
    await client.run(handlerOf(client, react));
  },
  async blocking_run_sync(url, options, react) {
    const client = S9BlockingWebSocketClient.connectSync(url, options);
    client.runSync(handlerOf(client, react));
  },
  async async_channels(url, options, react) {
    const client = await S9AsyncNonBlockingWebSocketClient.connect(url, options);
    const thread = client.run();
    const { controlTx } = client;
    const speaker: Speaker = {
      text: text => controlTx.send(ControlMessage.sendText(text)),
      binary: data => controlTx.send(ControlMessage.sendBinary(data)),
      ping: data => controlTx.send(ControlMessage.sendPing(data)),
      close: (code, reason) => controlTx.send(ControlMessage.close(code, reason)),
      forceQuit: () => controlTx.send(ControlMessage.forceQuit()),
    };
    for await (const event of client.eventRx) react(event, speaker);
    await thread.join();
  },
};

for (const tls of [false, true]) {
  for (const [name, way] of Object.entries(WAYS)) {
    const title = `${name}_${tls ? 'over_tls' : 'plain'}`;
    const start = async () => {
      const server = await EchoServer.start({ tls });
      return { server, options: server.ca === undefined ? {} : { tls: { ca: server.ca } } };
    };

    test.serial(`${title}_tells_everything_in_order`, async t => {
      const { server, options } = await start();
      const log: string[] = [];
      await way(server.url, options, (event, speaker) => {
        switch (event.type) {
          case 'activated':
            speaker.text('grüße 🌍');
            break;
          case 'textMessage':
            log.push(event.data);
            if (event.data === '') speaker.binary(Uint8Array.of(0, 255));
            else speaker.text('');
            return;
          case 'binaryMessage':
            speaker.ping(Buffer.from('pulse'));
            break;
          case 'pong':
            log.push(event.data.toString());
            speaker.close(4001, 'done');
            return;
          case 'connectionClosed':
            log.push(`${event.code} ${event.reason}`);
            break;
        }
        log.push(event.type);
      });
      await server.close();
      t.deepEqual(log, [
        'activated',
        'grüße 🌍',
        '',
        'binaryMessage',
        'pulse',
        '4001 done',
        'connectionClosed',
        'quit',
      ]);
    });

    test.serial(`${title}_loses_doubles_and_reorders_nothing`, async t => {
      const { server, options } = await start();
      const wanted = 5_000;
      const numbers: number[] = [];
      await way(server.url, options, (event, speaker) => {
        if (event.type === 'activated') {
          for (let number = 0; number < wanted; number++) speaker.text(String(number));
        }
        if (event.type === 'textMessage' && numbers.push(Number(event.data)) === wanted) {
          speaker.close(1000, '');
        }
      });
      await server.close();
      t.deepEqual(
        numbers,
        Array.from({ length: wanted }, (_, number) => number),
      );
    });

    test.serial(`${title}_echoes_every_size_and_leaves_buffers_alone`, async t => {
      const { server, options } = await start();
      const sizes = [0, 1, 125, 126, 65_535, 65_536, 3_000_000];
      const sent = sizes.map((size, index) => Buffer.alloc(size, index + 1));
      const received: Buffer[] = [];
      await way(server.url, options, (event, speaker) => {
        if (event.type === 'activated') for (const data of sent) speaker.binary(data);
        if (event.type === 'binaryMessage' && received.push(event.data) === sizes.length) {
          speaker.close(1000, '');
        }
      });
      await server.close();
      // Compared only now: later messages must not have been written over earlier ones.
      t.deepEqual(
        received.map(data => data.length),
        sizes,
      );
      t.true(received.every((data, index) => data.equals(sent[index]!)));
    });

    test.serial(`${title}_force_quit_is_followed_by_quit_alone`, async t => {
      const { server, options } = await start();
      const log: string[] = [];
      await way(server.url, options, (event, speaker) => {
        log.push(event.type);
        if (event.type === 'activated') speaker.text('one');
        if (event.type === 'textMessage') speaker.forceQuit();
      });
      await server.close();
      t.deepEqual(log, ['activated', 'textMessage', 'quit']);
    });
  }
}
