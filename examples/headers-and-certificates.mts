// Connects with header fields and a client certificate of one's own, to nobody but a server whose
// certificate is the one expected: that is checked before the header fields are sent.
//
//   node headers-and-certificates.mjs URL FOLDER
//
// FOLDER has ca.pem (the only certificate to trust: the server's own if it is self-signed, and so is
// pinned, else its authority's), cert.pem and key.pem (who you are; PKCS #8, unencrypted).

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { S9NonBlockingWebSocketClient, S9WebSocketError } from 's9-websocket';

const [url, folder] = process.argv.slice(2);
if (!url || !folder) throw new Error('usage: headers-and-certificates.mjs URL FOLDER');
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

try {
  const client = await S9NonBlockingWebSocketClient.connectWithHeaders(
    url,
    { Authorization: `Bearer ${process.env.TOKEN ?? ''}`, 'User-Agent': 'headers-example/1.0' },
    {
      subprotocols: ['feed.v2', 'feed.v1'],
      tls: {
        ca: read('ca.pem'),
        cert: read('cert.pem'),
        key: read('key.pem'),
        minVersion: 'TLSv1.3',
      },
      spinWaitDuration: 10,
    },
  );
  console.log(`speaking ${client.response.subprotocol} with ${client.socket.remoteAddress}`);
  await client.run({
    onActivated: client => client.sendTextMessage('who am I?'),
    onTextMessage(client, text) {
      console.log(text);
      client.close();
    },
    onConnectionClosed(_, reason, code) {
      console.log(`closed: ${code} ${reason ?? ''}`.trim());
      if (code !== 1000) process.exitCode = 1;
    },
    onError(_, error) {
      console.error(error.code, error.message);
      process.exitCode = 1;
    },
  });
} catch (error) {
  // A refused upgrade comes with the server's answer; a refused certificate is ERR_S9_TLS.
  if (!(error instanceof S9WebSocketError)) throw error;
  console.error(error.code, error.response?.status ?? '', error.response?.body.toString() ?? '');
  process.exitCode = 1;
}
