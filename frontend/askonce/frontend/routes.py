"""Which handler answers which request: a table, looked up once. Knows paths, and nothing of what lies behind them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import BodyPartReader, MultipartReader, StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from askonce.core.errors import RequestError
from askonce.frontend import respond

# As nginx's default. aiohttp's own is an hour, and holds for connections too that never ask anything.
_KEEPALIVE_SECONDS: Final = 75.0

Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _TextPart(BodyPartReader):
    """A field of a form. Some of Python's codecs (punycode) take time by the square of what they are given."""

    def get_charset(self, default: str) -> str:
        charset = super().get_charset(default).lower()
        if charset not in {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1"}:
            raise ValueError("a charset that forms have no use for")
        return charset


class _Form(MultipartReader):
    part_reader_cls = _TextPart


class _Request(web.BaseRequest):
    async def multipart(self) -> MultipartReader:
        return _Form(
            self._headers,
            self._payload,
            client_max_size=self._client_max_size,
            max_field_size=self._protocol.max_field_size,
            max_headers=self._protocol.max_headers,
            max_size_error_cls=web.HTTPRequestEntityTooLarge,
        )


class Routes:
    """aiohttp's low-level server in place of its application: no router, no middlewares, no match objects."""

    def __init__(self, table: Mapping[tuple[str, str], Answering], max_body_bytes: int) -> None:
        self._table = table
        self._max_body_bytes = max_body_bytes

    def server(self) -> web.Server:
        return web.Server(
            self.answer, request_factory=self._request, access_log=None, keepalive_timeout=_KEEPALIVE_SECONDS
        )

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
        return _Request(message, payload, protocol, writer, task, loop, client_max_size=self._max_body_bytes)
