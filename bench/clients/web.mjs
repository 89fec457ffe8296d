// Clients with the interface of browsers: undici on Node, Bun's and Deno's own.

function opened(create) {
  return (url, options, face) =>
    new Promise((resolve, reject) => {
      const socket = create(url, options);
      socket.binaryType = 'arraybuffer';
      let isEnding = false;
      const end = close => () => {
        isEnding = true;
        close();
      };
      socket.onopen = () =>
        face.onOpen({
          send: text => socket.send(text),
          cork: sends => (socket.cork ? socket.cork(sends) : sends()),
          close: end(() => socket.close()),
          // undici and Deno have no `terminate`.
          terminate: end(() => (socket.terminate ? socket.terminate() : socket.close())),
          bufferedAmount: () => socket.bufferedAmount,
        });
      socket.onmessage = event => {
        if (!isEnding) face.onMessage(event.data);
      };
      socket.onerror = event => {
        if (!isEnding) reject(event.error ?? new Error(event.message ?? 'the connection failed'));
      };
      socket.onclose = () => resolve();
    });
}

async function undici() {
  const { Agent, WebSocket } = await import('undici');
  return opened((url, { tls }) => {
    const dispatcher = new Agent({ connect: { ca: tls?.ca } });
    return new WebSocket(url, { dispatcher });
  });
}

export const ways = {
  undici: async (...parameters) => (await undici())(...parameters),
  Bun: opened((url, { tls }) => new WebSocket(url, tls && { tls: { ca: tls.ca } })),
  // The certificate comes by DENO_CERT.
  Deno: opened(url => new WebSocket(url)),
};
