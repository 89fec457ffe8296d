// Echoes the messages of the fuzzing server, one connection a case, in one of the ways to run a client:
// `node client.mjs WAY URL AGENT LANES CASES...`.

import {
  ControlMessage,
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
} from 's9-websocket';

/** The server takes the offer up in cases 12 and 13. */
const DEFLATE = { perMessageDeflate: { threshold: 0 } };
/** Waiting in a poller leaves the processors to the fuzzing server; what arrives ends the wait at once. */
const OPTIONS = { spinWaitDuration: 50, ...DEFLATE };

const echoing = {
  onTextMessage: (client, text) => client.sendTextMessage(text),
  onBinaryMessage: (client, data) => client.sendBinaryMessage(data),
};

/** The thread may have seen the end of the connection before the message is received here. */
function unlessClosed(send) {
  try {
    send();
  } catch (error) {
    if (error.code !== 'ERR_S9_CONNECTION_CLOSED') throw error;
  }
}

async function withChannels(url) {
  const client = await S9AsyncNonBlockingWebSocketClient.connect(url, OPTIONS);
  const thread = client.run();
  const send = message => unlessClosed(() => client.controlTx.send(message));
  for await (const event of client.eventRx) {
    if (event.type === 'textMessage') send(ControlMessage.sendText(event.data));
    else if (event.type === 'binaryMessage') send(ControlMessage.sendBinary(event.data));
  }
  await thread.join();
}

const WAYS = {
  'non-blocking run': async url => {
    const client = await S9NonBlockingWebSocketClient.connect(url, OPTIONS);
    await client.run(echoing);
  },
  'non-blocking runSync': async url => {
    S9NonBlockingWebSocketClient.connectSync(url, OPTIONS).runSync(echoing);
  },
  'blocking run': async url => {
    const client = await S9BlockingWebSocketClient.connect(url, DEFLATE);
    await client.run(echoing);
  },
  'blocking runSync': async url => {
    S9BlockingWebSocketClient.connectSync(url, DEFLATE).runSync(echoing);
  },
  'async channels': withChannels,
};

const [way, url, agent, lanes, ...cases] = process.argv.slice(2);

async function lane() {
  for (let id = cases.shift(); id !== undefined; id = cases.shift()) {
    await WAYS[way](`${url}/runCase?casetuple=${id}&agent=${encodeURIComponent(agent)}`);
  }
}

await Promise.all(Array.from({ length: Number(lanes) }, lane));
