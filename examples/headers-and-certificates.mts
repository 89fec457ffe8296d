// Connects with header fields and a client certificate of one's own, trusts one authority only, and
// lets nobody in whose key is not the one expected.
//
//   node headers-and-certificates.mjs URL FOLDER
//
// FOLDER has ca.pem (whom to trust), cert.pem and key.pem (who you are; PKCS #8, unencrypted), and
// fingerprint.txt: openssl x509 -in server.pem -noout -fingerprint -sha256

import { X509Certificate } from 'node:crypto';
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
  const certificate = client.socket.tls?.peerCertificate;
  const fingerprint = certificate && new X509Certificate(certificate).fingerprint256;
  if (fingerprint !== read('fingerprint.txt').trim().replace(/^.*=/, '')) {
    client.forceQuit();
    throw new Error(`another certificate than expected: ${fingerprint}`);
  }
  console.log(`speaking ${client.response.subprotocol} with ${client.socket.remoteAddress}`);
  await client.run({
    onActivated: client => client.sendTextMessage('who am I?'),
    onTextMessage(client, text) {
      console.log(text);
      client.close();
    },
  });
} catch (error) {
  // A refused upgrade comes with the server's answer; a refused certificate is ERR_S9_TLS.
  if (!(error instanceof S9WebSocketError)) throw error;
  console.error(error.code, error.response?.status ?? '', error.response?.body.toString() ?? '');
  process.exitCode = 1;
}
