"""The table of stores: every type of the settings has a row, and each row opens what it says."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from redis.asyncio import Redis

from askonce.config.settings import (
    CacheSettings,
    CacheType,
    DiskSettings,
    ProxySettings,
    QdrantSettings,
    RedisSettings,
    S3Settings,
    SemanticSettings,
    Settings,
)
from askonce.core.errors import ConfigError
from askonce.stores.registry import STORES
from tests.servers import Valkey
from tests.stores.contract import Clock, make_entry

MATCHED = SemanticSettings(threshold=0.8, embedding_model="local/minilm", index="kept")


def settings(kind: CacheType, path: Path, namespace: str = "") -> Settings:
    cache = CacheSettings(
        type=kind,
        call_types=frozenset({"chat"}),
        namespace=namespace,
        disk=DiskSettings(path=path, max_bytes=1 << 20) if kind == "disk" else None,
        redis=RedisSettings(host="127.0.0.1", port=1) if kind.startswith("redis") else None,
        s3=S3Settings(bucket="b", region="us-east-1") if kind == "s3" else None,
        qdrant=QdrantSettings(url="http://127.0.0.1:1") if kind == "qdrant-semantic" else None,
        semantic=MATCHED if kind.endswith("-semantic") else None,
    )
    return Settings(source="test.yaml", deployments=(), cache=cache, proxy=ProxySettings())


def test_every_type_has_a_row() -> None:
    assert set(STORES) == set(get_args(CacheType))
    assert all(name == row.name for name, row in STORES.items())


@pytest.mark.parametrize("kind", [name for name, row in STORES.items() if row.shared])
async def test_a_shared_store_opens_in_both_roles(kind: CacheType, tmp_path: Path, clock: Clock) -> None:
    row = STORES[kind]
    given = settings(kind, tmp_path)
    matcher = [] if row.open_matcher is None else [row.open_matcher]
    assert bool(matcher) == kind.endswith("-semantic")
    for open_ in (row.open_reader, row.open_writer, *matcher):
        store = open_(given, clock)
        assert store.name == kind
        await store.close()


@pytest.mark.parametrize("kind", [name for name, row in STORES.items() if not row.shared])
def test_what_is_not_shared_has_nothing_to_open(kind: CacheType, tmp_path: Path, clock: Clock) -> None:
    row = STORES[kind]
    for open_ in (row.open_reader, row.open_writer):
        with pytest.raises(ConfigError, match=kind):
            open_(settings(kind, tmp_path), clock)


@pytest.mark.parametrize("kind", [name for name, row in STORES.items() if row.shared])
def test_missing_settings_are_named(kind: CacheType, clock: Clock) -> None:
    cache = CacheSettings(type=kind, call_types=frozenset({"chat"}))
    given = Settings(source="test.yaml", deployments=(), cache=cache, proxy=ProxySettings())
    row = STORES[kind]
    for open_ in (row.open_reader, row.open_writer):
        with pytest.raises(ConfigError, match=rf"test\.yaml.*{kind}"):
            open_(given, clock)


@pytest.mark.parametrize(("namespace", "start"), [("", "askonce:"), ("team", "team:")])
async def test_keys_in_a_redis_shared_with_others_always_tell_whose_they_are(
    start_valkey: Callable[..., Valkey], tmp_path: Path, clock: Clock, namespace: str, start: str
) -> None:
    valkey = start_valkey()
    given = settings("redis", tmp_path, namespace)
    where = RedisSettings(host="127.0.0.1", port=valkey.port)
    given = given.model_copy(update={"cache": given.cache.model_copy(update={"redis": where})})
    reader, writer = STORES["redis"].open_reader(given, clock), STORES["redis"].open_writer(given, clock)
    entry = make_entry(clock, namespace=namespace)
    await writer.put([entry])
    assert [one.entry for one in await reader.get([entry.lookup]) if one is not None] == [entry]
    async with Redis.from_url(valkey.url) as raw:
        assert await raw.keys() == [f"{start}{entry.key.digest}".encode()]
    await reader.close()
    await writer.close()
