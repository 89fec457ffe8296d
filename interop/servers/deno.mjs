// Deno's server, which knows no compression: echoes, and closes with 4002 when told to. Arguments: CERT
// KEY.

import process from 'node:process';

const [certificate, key] = Deno.args;

function listen(tls) {
  const server = Deno.serve({ hostname: '127.0.0.1', port: 0, onListen() {}, ...tls }, request => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => {
      if (data === 'close me') socket.close(4002, 'bye');
      else socket.send(data);
    };
    return response;
  });
  return server.addr.port;
}

const tls = { cert: Deno.readTextFileSync(certificate), key: Deno.readTextFileSync(key) };
console.log(JSON.stringify({ plain: listen({}), tls: listen(tls) }));
process.stdin.on('end', () => process.exit()).resume();
