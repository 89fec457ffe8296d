// Ends well on SIGTERM: stops producing, lets everything accepted go out, closes, and waits for the
// server's answer, for so long at most. A second signal ends at once.
//
//   node graceful-shutdown.mjs URL
//
// Exit codes: 0 closed in order, 1 failed, or closed by the server for a reason of its own, 2 the server
// did not answer in time or was not waited for.

import { S9NonBlockingWebSocketClient, S9WebSocketError } from 's9-websocket';

const DEADLINE = 2000;
const GOING_AWAY = 1001;
const ABNORMAL = 1006;
/** Done, going away, and a Close frame without a code. Any other code of the server's is a complaint. */
const IN_ORDER = [1000, GOING_AWAY, 1005];

const [url] = process.argv.slice(2);
if (!url) throw new Error('usage: graceful-shutdown.mjs URL');

const client = await S9NonBlockingWebSocketClient.connect(url, {
  nodelay: true,
  spinWaitDuration: 10,
  closeTimeout: DEADLINE,
});

let sent = 0;
const producing = setInterval(() => {
  try {
    client.sendTextMessage(`message ${sent}`);
    sent++;
  } catch (error) {
    if (!(error instanceof S9WebSocketError)) throw error;
    // The server takes less than is sent: this message is tried again at the next tick.
    if (error.code === 'ERR_S9_WRITE_BUFFER_FULL') return;
    // The connection is over, and the handler tells how.
    clearInterval(producing);
  }
}, 1);

let signals = 0;
function shutDown(): void {
  clearInterval(producing);
  signals++;
  // The Close frame goes out after everything that was accepted for sending.
  if (signals === 1) client.close(GOING_AWAY, 'shutting down');
  else client.forceQuit();
}
process.on('SIGTERM', shutDown);
process.on('SIGINT', shutDown);

// Until a code says otherwise: `forceQuit` gives none.
process.exitCode = 2;
await client.run({
  onActivated: () => console.log('running'),
  onConnectionClosed(_, reason, code) {
    console.log(`closed: ${code} ${reason ?? ''}`.trim());
    if (code !== ABNORMAL) process.exitCode = IN_ORDER.includes(code) ? 0 : 1;
  },
  onError(_, error) {
    console.error(`${error.code}: ${error.message}`);
    process.exitCode = 1;
  },
});
clearInterval(producing);
console.log(`sent ${sent}`);
