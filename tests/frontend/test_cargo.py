"""A body on its way: how long it may pause, that it is sent once only, and that nobody goes on reading it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from askonce.core.errors import RequestError, UpstreamUnavailable
from askonce.frontend.cargo import Flowing, Held, take

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"


@asynccontextmanager
async def asked(handle: Callable[[web.BaseRequest], Awaitable[None]], sent: bytes) -> AsyncIterator[None]:
    """A server that has been sent this much of a request, and no more comes."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        await handle(request)
        return web.Response()

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    _, writer = await asyncio.open_connection(*runner.addresses[0])
    try:
        writer.write(sent)
        async with asyncio.timeout(20):
            yield
    finally:
        writer.transport.abort()
        await runner.cleanup()


async def test_a_client_that_sends_nothing_for_long_gets_408() -> None:
    got: list[bytes] = []
    failed: asyncio.Future[RequestError | None] = asyncio.get_running_loop().create_future()

    async def handle(request: web.BaseRequest) -> None:
        cargo = Flowing(request, idle=0.05)
        with pytest.raises(RequestError):
            async for piece in cargo:
                got.append(piece)
        failed.set_result(cargo.failed)

    async with asked(handle, HEAD + b"12345"):
        error = await failed
    assert got == [b"12345"]
    assert error is not None
    assert (error.status, error.param) == (408, "body")


async def test_what_has_begun_to_be_sent_is_not_sent_again() -> None:
    done = asyncio.Event()

    async def handle(request: web.BaseRequest) -> None:
        cargo = Flowing(request)
        assert [piece async for piece in cargo] == [b"1234567890"]
        with pytest.raises(UpstreamUnavailable):
            aiter(cargo)
        done.set()

    async with asked(handle, HEAD + b"1234567890"):
        await done.wait()


async def test_once_it_is_stopped_nobody_reads_from_the_client_any_more() -> None:
    done = asyncio.Event()

    async def handle(request: web.BaseRequest) -> None:
        cargo, got = Flowing(request), list[bytes]()

        async def drain() -> None:
            got.extend([piece async for piece in cargo])

        sending = asyncio.create_task(drain())
        while request.content.total_bytes < 5 or not cargo.data._begun:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        await cargo.stop()
        assert request.content._waiter is None
        assert await asyncio.gather(sending, return_exceptions=True) != [None]
        assert cargo.failed is None
        done.set()

    async with asked(handle, HEAD + b"12345"):
        await done.wait()


async def test_a_request_without_a_body_has_none() -> None:
    done = asyncio.Event()

    async def handle(request: web.BaseRequest) -> None:
        cargo = await take(request)
        assert isinstance(cargo, Held)
        assert (cargo.data, cargo.length, cargo.model) == (None, None, None)
        done.set()

    async with asked(handle, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"):
        await done.wait()


RENAMED = {
    b'{"model":"alias"}': b'{"model":"there"}',
    b'{"model": "other"}': b'{"model": "other"}',
    b'{"input": "alias"}': b'{"input": "alias"}',
    b'{"model":"alias","cache":{"ttl":1}}': b'{"model":"there"}',
    b'{"cache": true}': b'{"cache": true}',
    b"[1, 2": b"[1, 2",
    b"[]": b"[]",
}


@pytest.mark.parametrize("data", RENAMED)
def test_a_body_of_json_is_written_anew_only_where_something_changes(data: bytes) -> None:
    cargo = Held(data)
    cargo.rename("alias", "there", insist=False)
    assert cargo.data == RENAMED[data]


def test_where_the_address_named_the_model_the_body_says_so_too() -> None:
    for data in (b'{"input":"a"}', b'{"input":"a","model":"other"}', b'{"input":"a","model":null}'):
        cargo = Held(data)
        cargo.rename("alias", "there", insist=True)
        assert cargo.data == b'{"input":"a","model":"there"}'


def test_what_can_be_read_and_not_written_is_400() -> None:
    cargo = Held(b'{"model":"alias","a":' + b"[" * 400 + b"]" * 400 + b"}")
    with pytest.raises(RequestError) as refused:
        cargo.rename("alias", "there", insist=False)
    assert refused.value.param == "body"
