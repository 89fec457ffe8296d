// Bun's server, which is uWebSockets: echoes, and closes with 4002 when told to. Arguments: CERT KEY
// DEFLATE.

const [certificate, key, deflate] = process.argv.slice(2);

function listen(tls) {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    tls,
    fetch: (request, server) => (server.upgrade(request) ? undefined : new Response('no')),
    websocket: {
      perMessageDeflate: deflate === 'deflate',
      maxPayloadLength: 16 << 20,
      backpressureLimit: 32 << 20,
      message(socket, data) {
        if (data === 'close me') socket.close(4002, 'bye');
        else socket.send(data, deflate === 'deflate');
      },
    },
  });
  return server.port;
}

const tls = { cert: Bun.file(certificate), key: Bun.file(key) };
console.log(JSON.stringify({ plain: listen(undefined), tls: listen(tls) }));
process.stdin.on('end', () => process.exit()).resume();
