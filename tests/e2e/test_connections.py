"""HTTP itself, spoken to a real frontend byte by byte: methods, framing, pipelining, clients that leave."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio

from tests.e2e.asking import body, raw
from tests.e2e.doors import CHAT, FILE, MODEL, Scene, doors, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with doors(tmp_path_factory.mktemp("connections")) as scene:
        yield scene


async def test_routes_and_methods_that_are_not_there_are_404(scene: Scene) -> None:
    for method, path in (
        ("GET", "/"),
        ("GET", "/unknown"),
        ("PUT", "/v2/embeddings"),
        ("POST", "/health/liveliness"),
        ("OPTIONS", CHAT),
    ):
        answer = await scene.open.send(method, path)
        assert f"({method} {path})" in await refused(answer, 404)


async def test_head_has_the_head_of_get_and_no_body(scene: Scene) -> None:
    for path, status in (("/", 404), ("/health/liveliness", 200), ("/v1/models", 200)):
        head = f"HEAD {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        received = await raw(scene.open.url, head.encode())
        assert received.startswith(f"HTTP/1.1 {status} ".encode())
        assert received.endswith(b"\r\n\r\n"), "no body after a HEAD"


def asking(text: str, version: str = "1.1", *headers: str, **more: object) -> bytes:
    data = orjson.dumps(body("completion", text, **more))
    lines = [f"POST {CHAT} HTTP/{version}", "Host: a", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + data


def taken_apart(received: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Status line, headers in small letters, and the rest."""
    head, _, rest = received.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    return status, {line.partition(b": ")[0].lower(): line.partition(b": ")[2] for line in lines}, rest


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_connection_to_be_closed_gets_whole_answers_in_its_own_framing(
    scene: Scene, version: str, stream: bool
) -> None:
    text = f"framing {version} {stream}"
    close = [] if version == "1.0" else ["Connection: close"]
    for expected in (b"fwd=miss", b"hit"):
        received = await raw(scene.open.url, asking(text, version, *close, stream=stream))
        status, headers, rest = taken_apart(received)
        assert status.split()[1] == b"200"
        assert expected in headers[b"cache-status"]
        assert version == "1.1" or b"transfer-encoding" not in headers, "HTTP/1.0 knows no chunks"
        if b"transfer-encoding" in headers:
            assert rest.endswith(b"0\r\n\r\n")
        elif b"content-length" in headers:
            assert len(rest) == int(headers[b"content-length"])
        assert (b"[DONE]" in rest) == stream


async def test_an_http_1_0_client_may_keep_its_connection(scene: Scene) -> None:
    first = asking("kept open", "1.0", "Connection: keep-alive")
    received = await raw(scene.open.url, first + asking("kept open", "1.0"))
    _, headers, rest = taken_apart(received)
    assert headers[b"connection"].lower() == b"keep-alive"
    answer, rest = rest[: int(headers[b"content-length"])], rest[int(headers[b"content-length"]) :]
    _, headers, second = taken_apart(rest)
    assert answer == second
    assert b"hit" in headers[b"cache-status"]


async def test_pipelined_requests_are_answered_in_order(scene: Scene) -> None:
    texts = ["pipeline a", "pipeline b", "pipeline a", "pipeline a", "pipeline b"]
    data = b"".join(asking(text) for text in texts[:-1]) + asking(texts[-1], "1.1", "Connection: close")
    rest = await raw(scene.open.url, data)
    said = []
    for _ in texts:
        status, headers, rest = taken_apart(rest)
        assert status.split()[1] == b"200"
        length = int(headers[b"content-length"])
        said.append((orjson.loads(rest[:length])["choices"][0]["message"]["content"], headers[b"cache-status"]))
        rest = rest[length:]
    assert rest == b""
    assert [words.split(" I say")[0] for words, _ in said] == [f"You asked: {text}" for text in texts]
    assert [b"hit" in status for _, status in said] == [False, False, True, True, True]


async def test_a_client_that_waits_to_be_told_to_go_on_is_told(scene: Scene) -> None:
    host, _, port = scene.open.url.removeprefix("http://").partition(":")
    data = orjson.dumps(body("completion", "may I"))
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {CHAT} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\n"
    writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode())
    async with asyncio.timeout(10):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(data)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()


async def test_what_is_no_http_is_refused_and_the_next_client_is_served(scene: Scene) -> None:
    for data in (
        b"MARKER\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nMARKER\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 40_000 + b"\r\n",
    ):
        received = await raw(scene.open.url, data)
        assert received == b"" or received.split(b" ")[1][:1] == b"4", received[:200]
    assert (await scene.open.send("GET", "/health/liveliness")).status == 200


async def test_a_client_that_leaves_in_the_middle_of_its_request_is_no_bug_of_ours(scene: Scene) -> None:
    for data in (
        asking("left behind")[:-10],
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n"
        b"Content-Type: multipart/form-data; boundary=B\r\n\r\n" + MODEL + FILE[:-10],
        asking("left before the answer"),
        asking("left before the stream", stream=True),
    ):
        host, _, port = scene.open.url.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(data)
        await writer.drain()
        transport = writer.transport
        transport.abort()
    assert (await scene.open.chat("after those who left")).status == 200
