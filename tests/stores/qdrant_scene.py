"""Stores on Qdrant's engine behind HTTP, and the servers that they need, for the tests of the qdrant-semantic store."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from qdrant_client import AsyncQdrantClient

from askonce.config.settings import QdrantSettings, SemanticSettings
from askonce.core.entry import Entry
from askonce.core.errors import StoreUnavailable
from askonce.stores.qdrant.reader import QdrantReader
from askonce.stores.qdrant.writer import QdrantWriter
from tests.qdrant_server import QdrantEdge
from tests.stores.contract import Clock, Pair
from tests.stores.points import SPACE, Matching, exact_only

INDEX = "an index"
EXACT = "an index-exact"
VECTORS = f"an index-{SPACE}-128"


def settings_of(server: QdrantEdge, **more: object) -> QdrantSettings:
    return QdrantSettings.model_validate({"url": server.url, **more})


def semantic(index: str = INDEX) -> SemanticSettings:
    return SemanticSettings(threshold=0.8, embedding_model="a-model", index=index)


@dataclass
class Opened:
    reader: QdrantReader
    writer: QdrantWriter
    clock: Clock

    @property
    def pair(self) -> Pair:
        return Pair(self.reader, self.writer, self.clock)

    @property
    def matching(self) -> Matching:
        return Matching(self.reader, self.writer, self.clock)


Open = Callable[..., Opened]


@pytest.fixture(scope="module")
def server() -> Iterator[QdrantEdge]:
    """One for all tests that leave it as it is; each begins with an empty one."""
    memory = Path("/dev/shm")  # the engine syncs what it makes and drops, which takes most of a test's time on a disk
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        edge = QdrantEdge(Path(folder))
        edge.start()
        yield edge
        edge.kill()


@pytest.fixture
async def empty(server: QdrantEdge) -> None:
    # not by a client of Qdrant's: making one takes longer than most tests
    async with aiohttp.ClientSession(f"{server.url}/collections/") as session:
        async with session.get(f"{server.url}/collections") as answer:
            listed = (await answer.json())["result"]["collections"]
        for one in listed:
            await session.delete(quote(one["name"], safe=""))


@pytest.fixture
async def raw(server: QdrantEdge, empty: None) -> AsyncIterator[AsyncQdrantClient]:
    client = AsyncQdrantClient(url=server.url, check_compatibility=False)
    yield client
    await client.close()


@pytest.fixture
def open_(clock: Clock, opened: list[Any], monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setattr("askonce.stores.qdrant.reader.READ_SECONDS", 10.0)  # a test is patient with a busy machine

    def open_(settings: QdrantSettings, index: str = INDEX) -> Opened:
        both = semantic(index)
        opened.append(Opened(QdrantReader(settings, both, clock), QdrantWriter(settings, both, clock), clock))
        return opened[-1]

    return open_


@pytest.fixture
def store(empty: None, server: QdrantEdge, open_: Open) -> Opened:
    return open_(settings_of(server))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., QdrantEdge]]:
    """Servers of this test alone, to be stopped and paused at will."""
    servers: list[QdrantEdge] = []

    def start(**more: str) -> QdrantEdge:
        servers.append(QdrantEdge(tmp_path / f"qdrant{len(servers)}", **more))
        servers[-1].start()
        return servers[-1]

    yield start
    for one in servers:
        one.kill()


async def count(raw: AsyncQdrantClient, collection: str) -> int:
    return (await raw.count(collection)).count


def requests_of(store: Opened) -> list[str]:
    """The paths of what reader and writer send from here on."""
    sent: list[str] = []

    async def note(request, call_next):
        sent.append(f"{request.method} {request.url.path}")
        return await call_next(request)

    for client in (store.reader._client, store.writer._client):
        client.http.client.add_middleware(note)
    return sent


async def until_works(store: Opened, entry: Entry) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await store.writer.put([entry])
                assert await store.matching.exact(entry) == [exact_only(entry)]
            except StoreUnavailable:
                await asyncio.sleep(0.02)
            else:
                return
