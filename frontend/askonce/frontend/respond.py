"""Responses as aiohttp sends them: ready bytes for hits, JSON for errors. Decides nothing."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import orjson
from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from askonce.core.errors import RequestError, UpstreamError
from askonce.frontend.reply import CACHE_NAME, HttpDate, Reply, hit_bytes, hit_headers

_SEND_SECONDS: Final = 60.0  # that a client may take none of what is sent to it, as nginx's send_timeout
_ONE_WRITE: Final = 64 * 1024  # below this, copying head and body together is cheaper than a second system call
_HTTP_11: Final = (1, 1)

Shape = Callable[[dict[str, Any], int], dict[str, Any]]
"""What an API's clients read an error of a status from, around `message`, `type`, `param` and `code`."""


class ReadyResponse(web.StreamResponse):
    """A response whose bytes are ready, head included: no header objects, nothing to serialise."""

    def __init__(self, head: bytes, body: bytes) -> None:
        super().__init__()
        self._ready = (head, body)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        self._keep_alive = True
        self._transport = transport
        self._drain = request.writer.drain
        head, body = self._ready
        if len(body) < _ONE_WRITE:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
        return None

    async def write_eof(self, data: bytes = b"") -> None:  # noqa: ARG002 - aiohttp's signature
        self._eof_sent = True
        transport = self._transport
        if transport.get_write_buffer_size():
            # A client that sends requests and reads no answers must not fill our memory, nor hold it for ever.
            try:
                async with asyncio.timeout(_SEND_SECONDS):
                    await self._drain()
            except TimeoutError:
                transport.abort()


def hit(request: web.BaseRequest, reply: Reply, dates: HttpDate, now: float) -> web.StreamResponse:
    """A hit, as ready bytes where the connection stays open (nearly always)."""
    if request.keep_alive and request.version == _HTTP_11:
        return ReadyResponse(hit_bytes(reply, dates.at(now)), reply.body)
    return web.Response(body=reply.body, headers=hit_headers(reply))


def as_openai(error: dict[str, Any], _status: int) -> dict[str, Any]:
    """Source: https://platform.openai.com/docs/guides/error-codes."""
    return {"error": error}


def refusal(request: web.BaseRequest, error: RequestError, shape: Shape = as_openai) -> web.Response:
    headers = {"Cache-Status": f"{CACHE_NAME}; detail=refused", **error.headers}
    if error.status == 401:
        headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    response = failure(
        error.status, error.message, error.type, param=error.param, code=error.code, headers=headers, shape=shape
    )
    if request.content.exception() is not None:
        response.force_close()  # where the next request begins after a broken body is not known
    return response


async def pass_on(request: web.BaseRequest, response: web.StreamResponse, chunks: AsyncIterator[bytes]) -> bool:
    """Writes an answer as it comes; false where the provider broke off, and the client's connection with it. What
    aiohttp would write after a break, it cannot any more.
    """
    try:
        await response.prepare(request)
        async for chunk in chunks:
            async with asyncio.timeout(_SEND_SECONDS):
                await response.write(chunk)
    except (TimeoutError, ConnectionError):
        _cut_off(request)  # the client's fault: it reads nothing, or has gone
    except UpstreamError:
        _break_off(request, response)
        return False
    except BaseException:
        _break_off(request, response)
        raise
    return True


def _cut_off(request: web.BaseRequest) -> None:
    """Ends the connection at once: closing in order would wait for who reads nothing."""
    if request.transport is not None:
        request.transport.abort()


def _break_off(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Never a clean end: a client that is still there must see that its answer is not whole.

    HTTP/1.0 knows no chunks, so that only a reset can say so (nginx speaks it to those behind it).
    """
    transport = request.transport
    if transport is None:
        return
    if request.version >= _HTTP_11 or response.content_length is not None:
        transport.close()
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def upstream_failure(error: UpstreamError, cache_status: str, shape: Shape) -> web.Response:
    message = f"The provider gave no answer: {error}."
    return failure(error.status, message, "upstream_error", headers={"Cache-Status": cache_status}, shape=shape)


def broken(shape: Shape = as_openai) -> web.Response:
    return failure(500, "The proxy failed to answer; its log says why.", "server_error", shape=shape)


def failure(  # noqa: PLR0913 - an error has as many members
    status: int,
    message: str,
    kind: str,
    *,
    param: str | None = None,
    code: str | None = None,
    headers: dict[str, str] | None = None,
    shape: Shape = as_openai,
) -> web.Response:
    said = {"message": message, "type": kind, "param": param, "code": code}
    return json_response(shape(said, status), status, headers)


def json_response(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), headers=headers, content_type="application/json")
