// What is compiled into one file: sends `hello` to the server named and prints what comes back.

import { S9NonBlockingWebSocketClient } from 's9-websocket';

const client = await S9NonBlockingWebSocketClient.connect(process.argv.at(-1));
await client.run({
  onActivated: client => client.sendTextMessage('hello'),
  onTextMessage: (client, text) => {
    console.log(text);
    client.close();
  },
});
