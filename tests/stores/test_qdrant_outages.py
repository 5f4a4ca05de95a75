"""The qdrant-semantic store when the server is away, slow, another one or of another opinion; words without secrets."""

import asyncio
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import UnexpectedResponse

from askonce.config.settings import QdrantSettings
from askonce.core.entry import Lookup
from askonce.core.errors import ConfigError, StoreError, StoreRefused, StoreUnavailable
from askonce.stores.qdrant.client import answering, connect
from askonce.stores.qdrant.reader import QdrantReader
from askonce.stores.qdrant.writer import QdrantWriter
from tests.qdrant_server import QdrantEdge
from tests.servers import Child, free_port
from tests.stores import qdrant_scene as scene
from tests.stores.contract import Clock, make_entry, make_key
from tests.stores.points import A, B, asked, make_point
from tests.stores.qdrant_scene import Open, semantic, settings_of, until_works

open_ = scene.open_
start = scene.start


# -- outages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_recovers_by_itself_when_the_server_comes_back_and_finds_everything(
    start: Callable[..., QdrantEdge], open_: Open, clock: Clock, how: str
) -> None:
    server = start()
    store = open_(settings_of(server))
    entry = make_point(clock, values=A)
    await until_works(store, entry)
    getattr(server, how)()
    for work in (
        store.reader.get([entry.lookup]),
        store.reader.nearest(entry.lookup, 1),
        store.reader.ping(),
        store.writer.put([entry]),
        store.writer.delete([entry.key]),
        store.writer.remove([entry]),
        store.writer.sweep(clock.now),
        store.writer.ping(),
    ):
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await work
    server.start()
    await store.matching.eventually(asked(A), [entry])
    await until_works(store, make_point(clock, "another", B))


async def test_a_server_that_does_not_answer_is_waited_for_only_so_long(
    start: Callable[..., QdrantEdge], open_: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    store = open_(settings_of(server))
    entry = make_point(clock, values=A)
    await until_works(store, entry)
    for role in ("qdrant.reader.READ_SECONDS", "qdrant.writer.WRITE_SECONDS"):
        monkeypatch.setattr(f"askonce.stores.{role}", 0.5)
    server.pause()
    async with asyncio.timeout(20):
        works = (store.reader.get([entry.lookup]), store.reader.nearest(entry.lookup, 1), store.writer.put([entry]))
        errors = await asyncio.gather(*works, return_exceptions=True)
    assert [str(error) for error in errors] == ["qdrant-semantic: no answer in time"] * 3
    assert {type(error) for error in errors} == {StoreUnavailable}
    server.resume()
    monkeypatch.undo()
    await until_works(store, entry)


async def test_closing_leaves_no_asker_waiting(start: Callable[..., QdrantEdge], clock: Clock) -> None:
    server = start()
    reader = QdrantReader(settings_of(server), semantic(), clock)
    await reader.ping()
    server.pause()
    asks = [asyncio.create_task(reader.get([Lookup(make_key(n))])) for n in range(1000)]
    await asyncio.sleep(0.02)
    await reader.close()
    assert {type(error) for error in await asyncio.gather(*asks, return_exceptions=True)} == {StoreUnavailable}


@pytest.mark.parametrize("key", [None, "a-wrong-word"])
async def test_a_refused_api_key_is_told_without_it(
    start: Callable[..., QdrantEdge], open_: Open, clock: Clock, key: str | None
) -> None:
    server = start(api_key="the-right-word")
    store = open_(settings_of(server, api_key=key))
    for work in (
        store.reader.ping(),
        store.reader.get([Lookup(make_key("q"))]),
        store.writer.ping(),
        store.writer.put([make_entry(clock)]),
    ):
        with pytest.raises(StoreUnavailable, match="does not accept the API key") as raised:
            await work
        assert "word" not in str(raised.value)
        assert raised.value.__cause__ is None
    await until_works(open_(settings_of(server, api_key="the-right-word")), make_point(clock, values=A))


async def test_what_is_no_qdrant_is_told(tmp_path: Path, open_: Open) -> None:
    class Files(Child):
        def command(self) -> list[str]:
            return [sys.executable, "-m", "http.server", str(self.port), "--bind", "127.0.0.1", "-d", str(self.folder)]

        def greeted(self, link: socket.socket) -> bool:
            link.sendall(b"GET /collections HTTP/1.0\r\n\r\n")
            return b"200" in link.recv(64)

    (tmp_path / "collections").write_text("<html>")
    files = Files(tmp_path, None)
    files.start()
    try:
        reader = open_(QdrantSettings(url=f"http://127.0.0.1:{files.port}")).reader
        with pytest.raises(StoreUnavailable, match="what answers is no Qdrant server"):
            await reader.ping()
        reader = open_(QdrantSettings(url=f"http://127.0.0.1:{files.port}/elsewhere")).reader
        with pytest.raises(StoreUnavailable, match="nor perhaps Qdrant is there"):
            await reader.ping()
    finally:
        files.kill()


@pytest.mark.parametrize(
    ("status", "writing", "kind", "words"),
    [
        (401, True, StoreUnavailable, "it does not accept the API key"),
        (403, True, StoreUnavailable, "it does not accept the API key for this, or is locked"),
        (404, True, StoreUnavailable, "neither the collection nor perhaps Qdrant is there (HTTP 404)"),
        (408, True, StoreUnavailable, "it fails (HTTP 408)"),
        (409, True, StoreUnavailable, "the collection exists already"),
        (413, True, StoreRefused, "larger than the server takes in one request"),
        (413, False, StoreUnavailable, "it turns the request down (HTTP 413)"),
        (422, True, StoreRefused, "it turns the request down (HTTP 422)"),
        (422, False, StoreUnavailable, "it turns the request down (HTTP 422)"),
        (429, True, StoreUnavailable, "it has too much to do"),
        (500, True, StoreUnavailable, "it fails (HTTP 500)"),
        (503, False, StoreUnavailable, "it fails (HTTP 503)"),
    ],
)
async def test_what_a_status_means(status: int, writing: bool, kind: type[StoreError], words: str) -> None:
    with pytest.raises(StoreError) as raised:
        async with answering(1.0, writing=writing):
            raise UnexpectedResponse(status, "", b"a private answer", httpx.Headers())
    assert isinstance(raised.value, kind)
    assert str(raised.value) == f"qdrant-semantic: {words}"
    assert raised.value.__cause__ is None


async def test_a_server_that_asks_for_a_pause_is_an_outage() -> None:
    with pytest.raises(StoreUnavailable, match="too much to do"):
        async with answering(1.0, writing=True):
            raise ResourceExhaustedResponse("a private answer", 5)


# -- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["ftp://user:hush@127.0.0.1", "http://user:hush@127.0.0.1:port"])
def test_an_address_that_is_none_is_told_at_once_and_not_repeated(url: str, clock: Clock) -> None:
    with pytest.raises(ConfigError, match="qdrant_api_base") as raised:
        QdrantReader(QdrantSettings(url=url), semantic(), clock)
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("index", ["", "a/b", "what?", "x" * 101, "a\nb"])
def test_an_index_that_no_collection_can_be_called_after_is_told_at_once(index: str, clock: Clock) -> None:
    for role in (QdrantReader, QdrantWriter):
        with pytest.raises(ConfigError, match="qdrant_collection_name"):
            role(QdrantSettings(url="http://127.0.0.1:1"), semantic(index), clock)


@pytest.mark.parametrize(
    ("url", "reached"),
    [
        ("https://qdrant.example", "https://qdrant.example"),
        ("http://qdrant.example:6333", "http://qdrant.example:6333"),
        ("https://example.org:8443/qdrant", "https://example.org:8443/qdrant"),
    ],
)
def test_an_address_is_taken_as_it_is(url: str, reached: str, clock: Clock) -> None:
    settings = QdrantSettings(url=url, api_key=SecretStr("a-word"))
    assert connect(settings, 1.0).http.client.host == reached


async def test_nobody_listens(open_: Open, clock: Clock) -> None:
    store = open_(QdrantSettings(url=f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await store.reader.ping()
