"""Python's aiohttp: echoes, and closes with 4002 when told to. Arguments: CERT KEY DEFLATE."""

import asyncio
import json
import ssl
import sys

from aiohttp import WSMsgType, web


async def main():
    certificate, key, deflate = sys.argv[1:]

    async def answer(request):
        socket = web.WebSocketResponse(compress=deflate == "deflate", max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            if message.type == WSMsgType.TEXT and message.data == "close me":
                await socket.close(code=4002, message=b"bye")
            elif message.type == WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type == WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    ports = {}
    for name, tls in (("plain", None), ("tls", context)):
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        ports[name] = site._server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
