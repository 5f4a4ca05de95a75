"""The floor: the least that a Python cache on aiohttp can do for a request.

`python -m benchmarks.floors.aiohttp_server PORT UPSTREAM`. A low-level server, a key from orjson's sorted form, a dict,
a `web.Response`; what is not in the dict is asked upstream through one client session and kept. It has no
expiry, no tenants, no errors, no metrics and no store: the distance to it is what those cost.
"""

import asyncio
import hashlib
import signal
import sys

import orjson
import uvloop
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web

_MOST = 50_000  # then all are forgotten: the cheapest bound there is


class Floor:
    def __init__(self, session: ClientSession, upstream: str) -> None:
        self._session = session
        self._upstream = upstream
        self._kept: dict[bytes, tuple[bytes, str]] = {}

    async def answer(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        key = hashlib.sha256(orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)).digest()
        kept = self._kept.get(key)
        if kept is None:
            if len(self._kept) >= _MOST:
                self._kept.clear()
            kept = self._kept[key] = await self._ask(request.path, body)
        payload, media_type = kept
        return web.Response(body=payload, headers={"Content-Type": media_type})

    async def _ask(self, path: str, body: bytes) -> tuple[bytes, str]:
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._upstream + path, data=body, headers=headers) as response:
            return await response.read(), response.content_type


async def _serve(port: int, upstream: str) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    connector = TCPConnector(limit=0, keepalive_timeout=600)
    session = ClientSession(connector=connector, cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=60))
    async with session:
        runner = web.ServerRunner(web.Server(Floor(session, upstream).answer, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=2048).start()
        await stop.wait()
        await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2]))
