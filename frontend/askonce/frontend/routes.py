"""Which handler answers which request: a table, looked up once. What has no row there may be another way to write a
row, or a provider's to answer. Knows paths, and nothing of what lies behind them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import BodyPartReader, MultipartReader, StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from askonce.core.errors import RequestError
from askonce.frontend import respond
from askonce.frontend.paths import Aim, aim, near
from askonce.frontend.unbuilt import told

# As nginx's default. aiohttp's own is an hour, and holds for connections too that never ask anything.
_KEEPALIVE_SECONDS: Final = 75.0

# That a refused body is read on, so that its client reads the refusal. A packed one is unpacked for as long.
_LINGERING_SECONDS: Final = 1.0

_LOOKS: Final = frozenset({"GET", "HEAD", "DELETE"})
_PASSED_ON: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})

Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Named = Callable[[web.BaseRequest, str], Awaitable[web.StreamResponse]]
"""Answers a request for the model that its address names."""
Aimed = Callable[[web.BaseRequest, Aim], Awaitable[web.StreamResponse]]


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

    def __init__(
        self,
        table: Mapping[tuple[str, str], Answering],
        named: Mapping[str, Named],
        relay: Aimed,
        leaving: asyncio.Event,
        max_body_bytes: int,
    ) -> None:
        """`table` is by method and path, `named` by the path that follows a model's name; `relay` answers for the
        providers. Once `leaving` is set, each connection ends with the answer to its next request.
        """
        self._table = table
        self._named = named
        self._relay = relay
        self._leaving = leaving
        self._max_body_bytes = max_body_bytes

    def server(self) -> web.Server:
        return web.Server(
            self.answer,
            request_factory=self._request,
            access_log=None,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            lingering_time=_LINGERING_SECONDS,
        )

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        # A HEAD is a GET whose body aiohttp does not send.
        method = hdrs.METH_GET if request.method == hdrs.METH_HEAD else request.method
        answering = self._table.get((method, request.path))
        if answering is not None:
            return await answering(request)
        try:
            return await self._unlisted(request, method)
        except RequestError as error:
            return respond.refusal(request, error)

    async def _unlisted(self, request: web.BaseRequest, method: str) -> web.StreamResponse:
        aimed = aim(request.rel_url.raw_path) if request.method in _PASSED_ON else None
        if aimed is None:
            raise _nowhere(request)
        if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
            raise RequestError(501, "WebSocket connections, as of the realtime API, are not built in this proxy.")
        if aimed.named is None:
            answering = self._table.get((method, aimed.row))
            return await (self._passed_on(request, aimed) if answering is None else answering(request))
        named = self._named.get(aimed.path) if method == hdrs.METH_POST else None
        return await (self._passed_on(request, aimed) if named is None else named(request, aimed.named))

    async def _passed_on(self, request: web.BaseRequest, aimed: Aim) -> web.StreamResponse:
        """A provider may take a slash too many, or stranger things, for the route itself: what is counted and cached
        there must not be had here without.
        """
        if request.method not in _LOOKS and near(aimed.path) in self._named:
            raise _nowhere(request)
        return await self._relay(request, aimed)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        if self._leaving.is_set():  # as if the client had said it: whatever is answered says "Connection: close"
            message = message._replace(should_close=True)
        return _Request(message, payload, protocol, writer, task, loop, client_max_size=self._max_body_bytes)


def _nowhere(request: web.BaseRequest) -> RequestError:
    return RequestError(404, told(request.method, request.path))
