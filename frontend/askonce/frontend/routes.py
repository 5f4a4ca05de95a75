"""Which handler answers which request: a table, looked up once. Knows paths, and nothing of what lies behind them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from askonce.core.errors import RequestError
from askonce.frontend import respond

Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Routes:
    """aiohttp's low-level server in place of its application: no router, no middlewares, no match objects."""

    def __init__(self, table: Mapping[tuple[str, str], Answering], max_body_bytes: int) -> None:
        self._table = table
        self._max_body_bytes = max_body_bytes

    def server(self) -> web.Server:
        return web.Server(self.answer, request_factory=self._request, access_log=None)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        # A HEAD is a GET whose body aiohttp does not send.
        method = hdrs.METH_GET if request.method == hdrs.METH_HEAD else request.method
        answering = self._table.get((method, request.path))
        if answering is None:
            # the words of OpenAI's API
            return respond.refusal(request, RequestError(404, f"Invalid URL ({request.method} {request.path[:200]})"))
        return await answering(request)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=self._max_body_bytes)
