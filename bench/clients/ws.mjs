// The `ws` package, on Node.

import WebSocket from 'ws';

export const ways = {
  ws: (url, { tls, perMessageDeflate = false }, face) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(url, { ca: tls?.ca, perMessageDeflate });
      socket.on('open', () =>
        face.onOpen({
          send: text => socket.send(text),
          cork(sends) {
            socket._socket.cork();
            sends();
            socket._socket.uncork();
          },
          close: () => socket.close(),
          terminate: () => socket.terminate(),
          bufferedAmount: () => socket.bufferedAmount,
        }),
      );
      socket.on('message', (data, isBinary) => face.onMessage(isBinary ? data : data.toString()));
      socket.on('error', reject);
      socket.on('close', () => resolve());
    }),
};
