"""Both directions of what is passed through go on as they come, and an end on one side is an end on the other."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from aiohttp import web

from tests.e2e.asking import Client, raw
from tests.e2e.relays import THEIRS, Scene, metrics, passed, relays
from tests.frontend.kit import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
KEY = {"Authorization": f"Bearer {THEIRS}"}
BEHIND = 0.4  # seconds: longer than a scrape may be behind
PIECE = b"x" * 100_000
FORM = "multipart/form-data; boundary=B"
FIELD = b'--B\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
FILE = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
END = b"\r\n--B--\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with relays(tmp_path_factory.mktemp("relays")) as scene:
        yield scene


@asynccontextmanager
async def connection(client: Client, *head: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = client.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write("\r\n".join([*head, "Host: a", "", ""]).encode())
    try:
        async with asyncio.timeout(20):
            yield reader, writer
    finally:
        writer.transport.abort()


class Desk:
    """A provider that reads a request piece by piece, and lets its test say when an answer goes on."""

    def __init__(self) -> None:
        self.read = 0
        self.head = b""
        self.length: int | None = None
        self.go_on = asyncio.Event()
        self.left = asyncio.Event()

    async def receive(self, request: web.BaseRequest) -> web.StreamResponse:
        self.length = request.content_length
        try:
            async for piece in request.content.iter_any():
                self.head = self.head or piece[:500]
                self.read += len(piece)
        except ConnectionError:
            self.left.set()
            raise
        return web.json_response({"bytes": self.read})

    async def think(self, request: web.BaseRequest) -> web.StreamResponse:
        """For as long as somebody is there."""
        while request.transport is not None:
            await asyncio.sleep(0.01)
        self.left.set()
        return web.Response()

    async def speak(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: one\n\n")
        await self.go_on.wait()
        await response.write(b"data: two\n\n")
        return response


# -- there -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False], ids=["of a known length", "in chunks"])
async def test_a_file_goes_on_while_it_is_still_being_sent(scene: Scene, known: bool) -> None:
    desk, sent = Desk(), asyncio.Event()
    start = FIELD % (b"purpose", b"batch") + FILE
    length = len(start) + 30 * len(PIECE) + len(END)  # more than the connections on the way could hold

    async def body() -> AsyncIterator[bytes]:
        yield start
        for _ in range(15):
            yield PIECE
        await sent.wait()
        for _ in range(15):
            yield PIECE
        yield END

    headers = {"Content-Type": FORM, **({"Content-Length": str(length)} if known else {})}
    async with scene.first.doing(desk.receive):
        asking = asyncio.create_task(scene.open.send("POST", "/v1/files", data=body(), headers=headers))
        await until(lambda: desk.read >= len(start) + 15 * len(PIECE))
        assert not asking.done()
        sent.set()
        assert passed(await asking) == {"bytes": length}
    assert desk.length == (length if known else None)
    assert scene.first.last.headers["Content-Type"] == FORM


@pytest.mark.parametrize("known", [True, False], ids=["of a known length", "in chunks"])
async def test_a_model_before_the_file_is_called_by_its_name_there(scene: Scene, known: bool) -> None:
    desk = Desk()
    start = FIELD % (b"prompt", b"a") + FIELD % (b"model", b"dalle") + FILE
    length = len(start) + 3 * len(PIECE) + len(END)

    async def body() -> AsyncIterator[bytes]:
        for piece in (start[:70], start[70:], PIECE, PIECE, PIECE, END):
            yield piece

    headers = {"Content-Type": FORM, **({"Content-Length": str(length)} if known else {})}
    async with scene.second.doing(desk.receive):
        answer = await scene.listed.send("POST", "/v1/images/edits", data=body(), headers=headers)
    assert passed(answer) == {"bytes": length + 3}
    assert desk.length == (length + 3 if known else None)
    assert start.replace(b"dalle", b"dall-e-3") in desk.head + PIECE


async def test_a_model_after_the_file_is_not_waited_for(scene: Scene) -> None:
    data = FILE + b"short\r\n" + FIELD % (b"model", b"dalle") + END
    passed(await scene.listed.send("POST", "/v1/images/edits", data=data, headers={"Content-Type": FORM}))
    assert scene.first.last.body == data


@pytest.mark.parametrize("kind", ["application/json", "application/octet-stream"])
async def test_a_client_that_waits_to_be_told_to_go_on_is_told(scene: Scene, kind: str) -> None:
    head = ("Expect: 100-continue", "Connection: close", "Content-Length: 2", f"Content-Type: {kind}")
    async with connection(scene.open, "POST /v1/files HTTP/1.1", *head) as (reader, writer):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
    assert scene.first.last.body == b"{}"
    assert "Expect" not in scene.first.last.headers


@pytest.mark.parametrize(
    ("framing", "piece"), [("Content-Length: 5000000", PIECE), ("Transfer-Encoding: chunked", b"5\r\nabcde\r\n")]
)
async def test_a_client_that_leaves_while_it_sends_is_heard_of_upstream(
    scene: Scene, framing: str, piece: bytes
) -> None:
    desk = Desk()
    async with scene.first.doing(desk.receive), connection(scene.open, "POST /v1/files HTTP/1.1", framing) as (_, to):
        to.write(piece)
        await until(lambda: desk.read > 0)
        to.transport.abort()
        await desk.left.wait()


async def test_an_answer_may_come_before_the_whole_request_has(scene: Scene) -> None:
    async def refuse(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"error": "too large"}, status=413)

    head = ("POST /v1/files HTTP/1.1", "Content-Length: 300000", "Connection: close")
    async with scene.first.doing(refuse), connection(scene.open, *head) as (reader, writer):
        writer.write(PIECE)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
        assert await reader.readexactly(22) == b'{"error": "too large"}'
        writer.write(PIECE + PIECE)
        assert await reader.read() == b""
    passed(await scene.open.send("GET", "/v1/files"))


# -- and back ----------------------------------------------------------------------------------------------------


async def test_events_come_as_they_are_sent(scene: Scene) -> None:
    desk = Desk()
    url = f"{scene.open.url}/v1/threads/t/runs"
    async with scene.first.doing(desk.speak), scene.open.session.post(url, json={"stream": True}) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert await answer.content.readany() == b"data: one\n\n"
        desk.go_on.set()
        assert await answer.content.read() == b"data: two\n\n"


async def test_a_download_is_taken_no_faster_than_it_is_read(scene: Scene) -> None:
    written = 0
    left = asyncio.Event()

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(PIECE)
                written += len(PIECE)
        finally:
            left.set()

    async with scene.first.doing(endless), connection(scene.open, "GET /v1/files/f/content HTTP/1.1") as (_, to):
        before = -1
        while before != written or not written:  # until nobody on the way takes any more
            before = written
            await asyncio.sleep(0.3)
        assert written < 100_000_000
        to.transport.abort()
        await left.wait()


@pytest.mark.parametrize("body", [b"{}", b"{"], ids=["after it has asked", "before"])
async def test_a_client_that_leaves_ends_the_request_upstream(scene: Scene, body: bytes) -> None:
    desk, before = Desk(), len(scene.first.seen)
    head = ("POST /v1/images/generations HTTP/1.1", "Content-Length: 2")
    async with scene.first.doing(desk.think), connection(scene.open, *head) as (_, writer):
        writer.write(body)
        await until(lambda: len(scene.first.seen) > before)
        writer.transport.abort()
        await desk.left.wait()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("known", [True, False], ids=["of a known length", "in chunks"])
async def test_an_answer_that_breaks_off_breaks_the_clients_connection(scene: Scene, known: bool, version: str) -> None:
    async def break_off(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        if known:
            response.content_length = 1000
        await response.prepare(request)
        await response.write(b"a" * 100)
        assert request.transport is not None
        request.transport.close()
        return response

    async with scene.first.doing(break_off):
        head = f"GET /v1/files/f/content HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n"
        try:
            received = await raw(scene.open.url, head.encode())
        except ConnectionResetError:
            assert (version, known) == ("1.0", False), "HTTP/1.0 has no other way to say it"
            return
    assert received.startswith(b"HTTP/1.1 200" if version == "1.1" else b"HTTP/1.0 200"), received
    assert not received.endswith(b"0\r\n\r\n")
    assert received.count(b"a" * 100) == 1


# -- what is told ------------------------------------------------------------------------------------------------


async def test_requests_are_counted_under_one_name_and_nothing_of_them_is_written_down(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def counted(text: str, result: str) -> float:
        row = rf'askonce_requests_total\{{call_type="passed_through",model="[^"]*",result="{result}"\}} (\S+)'
        return sum(map(float, re.findall(row, text)))

    async def failing(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    await asyncio.sleep(BEHIND)
    before = await metrics(scene.open)
    path = "/v1/MARKER?MARKER=MARKER"
    passed(await scene.open.send("POST", path, json={"MARKER": "MARKER"}, headers=KEY))
    async with scene.first.doing(failing):
        assert (await scene.open.send("POST", path, json={"MARKER": "MARKER"}, headers=KEY)).status == 502
    assert (await scene.open.send("GET", path, headers={"Sec-Fetch-Site": "cross-site"})).status == 403
    await asyncio.sleep(BEHIND)
    after = await metrics(scene.open)
    told = {result: counted(after, result) - counted(before, result) for result in ("bypass", "error", "refused")}
    assert told == {"bypass": 1, "error": 1, "refused": 1}
    assert 'askonce_upstream_seconds_count{call_type="passed_through",status="2xx"}' in after
    assert [record.message for record in caplog.records] == ["upstream_failed"]
    assert "MARKER" not in after + "".join(str(vars(record)) for record in caplog.records)
