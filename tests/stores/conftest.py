"""Fixtures for tests of stores."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb
import pytest

from askonce.config.settings import DiskSettings
from askonce.stores.disk import DiskReader, DiskWriter, open_environment
from askonce.telemetry.metrics import Metrics
from tests.servers import Valkey
from tests.stores.contract import Clock, Pair


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


LIMIT = 64 << 20


def disk_settings(path: Path, max_bytes: int = LIMIT) -> DiskSettings:
    return DiskSettings(path=path, max_bytes=max_bytes)


@dataclass
class Opened:
    environment: lmdb.Environment
    pair: Pair


OpenDisk = Callable[..., Opened]


@pytest.fixture
async def open_disk(tmp_path: Path, clock: Clock) -> AsyncIterator[OpenDisk]:
    """Both roles in this process, sharing an environment as they must."""
    writers = []

    def open_(max_bytes: int = LIMIT, environment: lmdb.Environment | None = None) -> Opened:
        if environment is None:
            environment = open_environment(disk_settings(tmp_path, max_bytes), writable=True)
        writer = DiskWriter(environment, max_bytes, clock)
        writers.append(writer)
        return Opened(environment, Pair(DiskReader(environment, clock), writer, clock))

    yield open_
    for writer in writers:
        await writer.close()


@pytest.fixture
def start_valkey(tmp_path: Path) -> Iterator[Callable[..., Valkey]]:
    """Servers of this test alone, to be stopped and paused at will."""
    servers: list[Valkey] = []

    def start(*options: str) -> Valkey:
        server = Valkey(tmp_path / f"valkey{len(servers)}", options=options)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
async def opened() -> AsyncIterator[list[Any]]:
    """What is put here has a reader and a writer, which are closed when the test ends."""
    stores: list[Any] = []
    yield stores
    for store in stores:
        await store.reader.close()
        await store.writer.close()
