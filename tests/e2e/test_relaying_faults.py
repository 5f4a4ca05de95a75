"""What a client does wrong with the body that it sends is told to the client, and is no failure of the provider's."""

import asyncio
import re
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio
from aiohttp import web

from askonce.frontend import cargo
from tests.e2e.asking import Answer, raw
from tests.e2e.relays import Scene, metrics, passed, relays
from tests.frontend.kit import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
BEHIND = 0.4  # seconds: longer than a scrape may be behind
HEAD = b"POST /v1/uploads/u/parts HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n"
BROKEN = b"\xff" * 100  # where a block of packed bytes should begin


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with relays(tmp_path_factory.mktemp("relays")) as scene:
        yield scene


async def read_it(request: web.BaseRequest) -> web.StreamResponse:
    """Answers once the whole body has come."""
    with suppress(ConnectionError):
        async for _ in request.content.iter_any():
            pass
    return web.json_response({"id": "part-1"})


def refused(received: bytes) -> tuple[str, str]:
    """The status and the message of a refusal that names the body."""
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"Cache-Status: askonce; detail=refused\r\n" in head + b"\r\n"
    error = Answer(0, {"Content-Type": "application/json"}, body).error
    assert (error["type"], error["param"]) == ("invalid_request_error", "body")
    return head.split()[1].decode(), error["message"]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name.startswith("askonce")]


async def counted(scene: Scene) -> dict[str, float]:
    """How many requests were passed through, by their results."""
    await asyncio.sleep(BEHIND)
    row = re.compile(r'askonce_requests_total\{call_type="passed_through",model="[^"]*",result="(\w+)"\} (\S+)')
    found = Counter[str]()
    for result, count in row.findall(await metrics(scene.open)):
        found[result] += float(count)
    return dict(found)


async def more(scene: Scene, before: dict[str, float]) -> dict[str, float]:
    now = await counted(scene)
    return {result: count - before.get(result, 0) for result, count in now.items() if count != before.get(result, 0)}


async def test_a_body_that_turns_out_to_be_broken_on_its_way_is_400(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    before, seen = await counted(scene), len(scene.first.seen)
    packing = zlib.compressobj(wbits=31)  # as gzip
    start = packing.compress(b"a" * 1000) + packing.flush(zlib.Z_FULL_FLUSH)
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(start + BROKEN)
    async with scene.first.doing(read_it), asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(scene.open.url.rpartition(":")[2]))
        try:
            writer.write(head + start)
            await until(lambda: len(scene.first.seen) > seen)
            writer.write(BROKEN)
            status, said = refused(await reader.read())
        finally:
            writer.transport.abort()
    assert status == "400"
    assert "broke off" in said
    assert await more(scene, before) == {"refused": 1}
    assert told(caplog) == []


async def test_a_client_that_sends_nothing_for_long_gets_408(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cargo.Flowing.__init__, "__defaults__", (0.3,))
    before = await counted(scene)
    async with scene.first.doing(read_it):
        received = await raw(scene.open.url, HEAD + b"Connection: close\r\nContent-Length: 10\r\n\r\n12345")
    status, said = refused(received)
    assert status == "408"
    assert "Nothing of the body arrived" in said
    assert await more(scene, before) == {"refused": 1}
    assert told(caplog) == []


async def test_a_client_that_leaves_just_as_it_is_told_to_go_on_is_nobodys_fault(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left, tell = asyncio.Event(), cargo.go_on

    async def tell_nobody(request: web.BaseRequest) -> None:
        assert request.transport is not None
        request.transport.abort()
        left.set()
        await tell(request)

    monkeypatch.setattr(cargo, "go_on", tell_nobody)
    before, seen = await counted(scene), len(scene.first.seen)
    assert await raw(scene.open.url, HEAD + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n") == b""
    monkeypatch.undo()
    await until(left.is_set)
    assert await more(scene, before) == {"bypass": 1}
    assert len(scene.first.seen) == seen
    assert told(caplog) == []
    passed(await scene.open.send("GET", "/v1/files"))
