"""Python's websockets: echoes, and closes with 4002 when told to. Arguments: CERT KEY DEFLATE."""

import asyncio
import json
import ssl
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedError


async def answer(connection):
    try:
        async for message in connection:
            if message == "close me":
                await connection.close(4002, "bye")
            else:
                await connection.send(message)
    except ConnectionClosedError:
        # So it calls every end but one with 1000 or 1001.
        pass


async def main():
    certificate, key, deflate = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    options = {"compression": "deflate" if deflate == "deflate" else None, "max_size": None}
    plain = await serve(answer, "127.0.0.1", 0, **options)
    tls = await serve(answer, "127.0.0.1", 0, ssl=context, **options)
    port = lambda server: server.sockets[0].getsockname()[1]
    print(json.dumps({"plain": port(plain), "tls": port(tls)}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
