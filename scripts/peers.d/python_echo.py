"""An echo server on the PyPI package `websockets`: python3 python_echo.py PORT"""

import asyncio
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def echo(socket):
    try:
        async for message in socket:
            await socket.send(message)
    except ConnectionClosed:
        pass


async def main():
    # No compression and no keep-alive of its own: what is seen is what inrush asked for.
    options = {"compression": None, "ping_interval": None, "backlog": 4096}
    async with serve(echo, "127.0.0.1", int(sys.argv[1]), **options):
        print("listening", flush=True)
        await asyncio.Future()


asyncio.run(main())
