// Pins that a CommonJS module sees the same public types. Compiled, never run.

import s9 = require('s9-websocket');
import testing = require('s9-websocket/testing');

export async function commonJs(): Promise<void> {
  const server: testing.EchoServer = await testing.EchoServer.start();
  const client: s9.S9NonBlockingWebSocketClient = s9.S9NonBlockingWebSocketClient.connectSync(
    server.url,
    new s9.NonBlockingOptions().nodelay(true),
  );
  client.runSync({ onTextMessage: of => of.close() });
  // @ts-expect-error: not text
  client.sendTextMessage(42);
}
