"""A flush and matches by meaning: what vectors still lead to is not served, and hides nothing that is newer."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from askonce.config.load import load
from askonce.config.rules import read_rules
from askonce.core.entry import JSON, Entry, Found, Lookup, Vector
from askonce.core.events import Flushed
from askonce.core.key import CacheKey
from askonce.frontend.meaning import Meaning
from askonce.stores.guards import GuardedMatcher
from askonce.stores.memory import MemoryStore
from askonce.stores.protocols import Known, nothing_known
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.frontend.kit import NOW, ask, count, place

SCOPE = "5" * 64
TEXT = "How do I reset my password?"
SETTINGS = """
litellm_settings:
  cache: true
  cache_params:
    {type: redis-semantic, host: nowhere, similarity_threshold: 0.8, redis_semantic_cache_embedding_model: local/minilm}
"""


def kept(number: int, stored_at: float, home: str = "") -> Entry:
    lookup = Lookup(CacheKey(home, f"{number:064x}"), SCOPE, TEXT)
    return Entry(lookup, b'{"choices":[]}', JSON, stored_at, None, "gpt-4o", "completion", home=home)


class Near:
    """A matcher that has these entries, each less alike than the one before."""

    name = "redis-semantic"

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    async def nearest(
        self, lookup: Lookup, limit: int, least: float = -1.0, known: Known = nothing_known
    ) -> list[Found]:
        return [Found(one, self.name, 0.99 - n / 100) for n, one in enumerate(self._entries)][:limit]

    async def get(self, lookups: Sequence[Lookup]) -> list[Found | None]:
        return [None] * len(lookups)

    async def ping(self) -> None:
        pass

    async def close(self) -> None:
        pass


class Scene:
    def __init__(self, folder: Path, *entries: Entry) -> None:
        (folder / "config.yaml").write_text(SETTINGS)
        self.metrics = Metrics()
        self.memory = MemoryStore(1 << 20, self.metrics)
        matcher = GuardedMatcher(
            Near(entries), deadline=None, metrics=self.metrics, log=Log("test"), timer=time.perf_counter
        )
        nobody: Any = None  # neither is asked by a search
        self._meaning = Meaning(
            placing=nobody, embedding=nobody, matcher=matcher, memory=self.memory, rules=read_rules(None),
            settings=load(folder / "config.yaml", {}, cwd=folder), metrics=self.metrics, clock=lambda: NOW,
        )  # fmt: skip

    async def found(self) -> tuple[Entry | None, float | None]:
        lookup = Lookup(CacheKey("", "f" * 64), SCOPE, TEXT, Vector("local/minilm", bytes(4)))
        found, similarity = await self._meaning.search(place(ask()), lookup)
        return None if found is None else found.entry, similarity


async def test_what_was_flushed_is_not_served_and_not_even_spoken_of(tmp_path: Path) -> None:
    entry = kept(1, NOW - 5)
    scene = Scene(tmp_path, entry)
    assert await scene.found() == (entry, 0.99)
    scene.memory.flush(Flushed("", NOW - 5))
    assert await scene.found() == (None, 0.0)
    assert count(scene.metrics, "askonce_semantic_searches_total", outcome="nothing") == 1


async def test_behind_what_was_flushed_the_next_is_served(tmp_path: Path) -> None:
    later = kept(3, NOW - 4)
    scene = Scene(tmp_path, kept(1, NOW - 6), kept(2, NOW - 5), later)
    scene.memory.flush(Flushed("", NOW - 5))
    assert await scene.found() == (later, pytest.approx(0.97))


async def test_a_flush_of_another_proxy_is_no_objection(tmp_path: Path) -> None:
    entry = replace(kept(1, NOW - 5), home="team")
    scene = Scene(tmp_path, entry)
    scene.memory.flush(Flushed("", NOW))
    assert await scene.found() == (entry, 0.99)
