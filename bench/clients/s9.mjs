// s9-websocket in every way to run it, behind the one face that all measured clients have.

import {
  ControlMessage,
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
} from 's9-websocket';

/** As the pages have it. It ends no wait here: nobody is told of idle turns. */
const WAITING = 10;

function handlerOf(face, sender) {
  return {
    onActivated: client => face.onOpen(sender(client)),
    onTextMessage: (_client, text) => face.onMessage(text),
    onBinaryMessage: (_client, data) => face.onMessage(data),
    onError(_client, error) {
      throw error;
    },
  };
}

const sender = client => ({
  send: text => client.sendTextMessage(text),
  cork: sends => client.cork(sends),
  close: () => client.close(),
  terminate: () => client.forceQuit(),
  bufferedAmount: () => client.bufferedAmount,
});

function callbacks(Client, extra, run) {
  return async (url, options, face) => {
    const client = await Client.connect(url, { nodelay: true, ...options, ...extra });
    await run(client, handlerOf(face, sender));
  };
}

async function runOnThread(client, handler) {
  await client.run(handler, { on: 'background-thread' });
}

/** With `most`, what came along with an event is taken at once, so many at a time. */
function channels(extra, most = 0) {
  return async (url, options, face) => {
    const client = await S9AsyncNonBlockingWebSocketClient.connect(url, {
      nodelay: true,
      ...options,
      ...extra,
    });
    const { controlTx } = client;
    const thread = client.run();
    const end = {
      send: text => controlTx.send(ControlMessage.sendText(text)),
      cork: sends => sends(),
      close: () => controlTx.send(ControlMessage.close()),
      terminate: () => controlTx.send(ControlMessage.forceQuit()),
    };
    const receive = event => {
      if (event.type === 'textMessage' || event.type === 'binaryMessage') {
        face.onMessage(event.data);
      } else if (event.type === 'activated') face.onOpen(end);
      else if (event.type === 'error') throw event.error;
    };
    for await (const event of client.eventRx) {
      receive(event);
      if (most > 0) for (const other of client.eventRx.drain(most)) receive(other);
    }
    await thread.join();
  };
}

const NonBlocking = S9NonBlockingWebSocketClient;
const Blocking = S9BlockingWebSocketClient;

export const ways = {
  's9 runSync': callbacks(NonBlocking, {}, (client, handler) => client.runSync(handler)),
  's9 run': callbacks(NonBlocking, {}, (client, handler) => client.run(handler)),
  's9 run, waiting': callbacks(NonBlocking, { spinWaitDuration: WAITING }, (client, handler) =>
    client.run(handler),
  ),
  's9 thread': callbacks(NonBlocking, { spinWaitDuration: WAITING }, runOnThread),
  's9 run, reuseBuffers': callbacks(NonBlocking, { reuseBuffers: true }, (client, handler) =>
    client.run(handler),
  ),
  's9 thread, reuseBuffers': callbacks(
    NonBlocking,
    { spinWaitDuration: WAITING, reuseBuffers: true },
    runOnThread,
  ),
  's9 thread, spinning': callbacks(NonBlocking, {}, runOnThread),
  's9 blocking runSync': callbacks(Blocking, {}, (client, handler) => client.runSync(handler)),
  's9 blocking run': callbacks(Blocking, {}, (client, handler) => client.run(handler)),
  's9 async': channels({ spinWaitDuration: WAITING }),
  's9 async, drained': channels({ spinWaitDuration: WAITING }, 256),
  's9 async, spinning': channels({}),
};
