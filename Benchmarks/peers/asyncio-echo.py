#!/usr/bin/env python3
"""An echo server on asyncio's protocols, its fastest API: `asyncio-echo.py asyncio|uvloop`."""
import asyncio
import sys


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


async def serve():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=4096)
    print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if sys.argv[1:] == ["uvloop"]:
    import uvloop
    uvloop.run(serve())
else:
    asyncio.run(serve())
