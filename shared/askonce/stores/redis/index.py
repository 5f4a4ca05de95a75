"""Indexes of vectors in a Redis or Valkey with the search module: their names, their making, and searches in them.

Knows redis-py and the module's FT commands; of entries it knows only which can be matched. An index covers the hashes
whose names begin with its own name and a colon: fields `scope`, `stored_at` and `vector`.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from redis import exceptions as errors
from redis.asyncio import Redis

from askonce.config.settings import RedisSettings
from askonce.core.entry import Lookup, Vector
from askonce.core.errors import ConfigError, StoreUnavailable
from askonce.stores.redis.client import connect, translated

_SCOPE: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NOT_OF_A_NAME: Final = re.compile(r"[^A-Za-z0-9._]+", re.ASCII)
_SLUG: Final = 64  # characters
_MOST_DIMENSIONS: Final = 32_768  # that the search module takes

# Candidates that a search looks at. The module's own 10 found 84 % of the true five nearest of 100,000, and 64 found
# 99.8 % for 0.2 ms more.
_SEARCHED: Final = 64

_ONE_SERVER: Final = "redis-semantic needs one server or Sentinel, for a cluster cannot be searched"


class _Missing(StoreUnavailable):
    """There is no index of that name."""


class NoSearch(StoreUnavailable):
    """The server has no search module."""


class _There(StoreUnavailable):
    """There is one already."""


_TOO_LONG: Final = "timeout limit was reached"
_SLOW: Final = "the search took too long"

# What the module says, in part and in lower case, and what that means: the rest of the text differs by version.
_SAID: Final = (
    (
        "unknown command",
        NoSearch,
        "the server has no search module; redis-semantic needs Redis Stack, Redis 8, or Valkey with search",
    ),
    ("already exists", _There, "the index is there already"),
    ("no such index", _Missing, "the index is missing"),
    ("unknown index name", _Missing, "the index is missing"),
    ("not found", _Missing, "the index is missing"),
    (_TOO_LONG, StoreUnavailable, _SLOW),
)


def connected(settings: RedisSettings, seconds: float) -> Redis:
    """A client of one server, or of the master that Sentinels name. Raises ConfigError."""
    if settings.cluster_nodes:
        raise ConfigError("cache_params", "type", _ONE_SERVER)
    client = connect(settings, seconds)
    if client.connection_pool.connection_kwargs.get("db"):
        raise ConfigError("cache_params", "db", "0 for redis-semantic: the search module has indexes there only")
    return client


def matchable(lookup: Lookup) -> Vector | None:
    """The vector that the lookup is matched by, if it can be."""
    vector = lookup.vector
    if vector is None or not _SCOPE.fullmatch(lookup.scope):
        return None
    return vector if 0 < vector.dimensions <= _MOST_DIMENSIONS and len(vector.values) % 4 == 0 else None


@contextmanager
def searching() -> Iterator[None]:
    """As `translated`, and what the search module says too."""
    with translated():
        try:
            yield
        except errors.ResponseError as error:
            for said, kind, words in _SAID:
                if said in str(error).lower():
                    raise kind(f"redis-semantic: {words}") from None
            raise


class Indexes:
    """The indexes whose names begin with `base`: one for each space and dimension of vectors.

    They are shared by all namespaces of the server, for a scope covers its namespace. Everything here raises
    StoreUnavailable where the server cannot do it, and when an index of such a name is not as `make` makes it.
    """

    def __init__(self, client: Redis, base: str) -> None:
        self._client = client
        self._base = base
        self._ours = re.compile(re.escape(base) + r"-.*-[0-9a-f]{8}-[0-9]+", re.DOTALL)
        self._checked: set[str] = set()

    def name(self, vector: Vector) -> str:
        """`<base>-<space>-<digest of the space>-<dimensions>`: spaces that look alike when cleaned stay apart."""
        slug = _NOT_OF_A_NAME.sub("-", vector.space).strip("-")[:_SLUG]
        digest = hashlib.sha256(vector.space.encode()).hexdigest()[:8]
        return f"{self._base}-{slug}-{digest}-{vector.dimensions}"

    async def names(self) -> list[str]:
        """Those that the server has."""
        return [name for name in map(_text, await self._run("FT._LIST")) if self._ours.fullmatch(name)]

    async def make(self, names: Iterable[str]) -> None:
        """Those that are missing; the others are checked, once. Several writers may do so at the same time."""
        there = set(await self.names())
        for name in names:
            if name not in there:
                await self._create(name)
            await self._check(name)

    async def check(self) -> None:
        """Whether the server has the module, and each index is as it should be."""
        for name in await self.names():
            with suppress(_Missing):  # dropped meanwhile
                await self._check(name)

    async def nearest(self, vector: Vector, scope: str, count: int) -> list[tuple[str, float]]:
        """The written keys of the points of `scope` nearest to the vector, with their cosine similarity, best first."""
        name = self.name(vector)
        query = f"(@scope:{{{scope}}})=>[KNN {count} @vector $vector AS distance]"
        options = ("PARAMS", 2, "vector", vector.values, "RETURN", 1, "distance", "LIMIT", 0, count, "DIALECT", 2)
        try:
            await self._check(name)
            reply = await self._run("FT.SEARCH", name, query, *options)
        except _Missing:  # no vector of this space has been kept yet
            return []
        with _understood():
            near = [(point.removeprefix(f"{name}:"), 1.0 - distance) for point, distance in _hits(reply)]
        near.sort(key=lambda one: (-one[1], one[0]))
        return [(key, max(-1.0, min(1.0, similarity))) for key, similarity in near]

    async def _create(self, name: str) -> None:
        dimensions = name.rpartition("-")[2]
        vector = ("TYPE", "FLOAT32", "DIM", dimensions, "DISTANCE_METRIC", "COSINE", "EF_RUNTIME", _SEARCHED)
        schema = ("scope", "TAG", "vector", "VECTOR", "HNSW", len(vector), *vector)
        with suppress(_There):  # another writer was quicker
            await self._run("FT.CREATE", name, "ON", "HASH", "PREFIX", 1, f"{name}:", "SCHEMA", *schema)

    async def _check(self, name: str) -> None:
        if name in self._checked:
            return
        reply, expected = await self._run("FT.INFO", name), _expected(name)
        with _understood():
            found = _shape(_named(reply))
        if wrong := [what for what, value in expected.items() if found.get(what, value) != value]:
            words = ", ".join(f"{what} {expected[what]}, found {found[what] or 'none'}" for what in wrong)
            raise StoreUnavailable(f"redis-semantic: the index {name} is not of our making: expected {words}")
        self._checked.add(name)

    async def _run(self, *command: str | bytes | int) -> Any:
        with searching():
            return await self._client.execute_command(*command)  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        await self._client.aclose()


@contextmanager
def _understood() -> Iterator[None]:
    """Another module, or another version of it, may answer in another shape."""
    try:
        yield
    except (TypeError, ValueError, LookupError, AttributeError):
        raise StoreUnavailable("redis-semantic: the search module answers in a way that is not known here") from None


def _expected(name: str) -> dict[str, str]:
    return {
        "prefix": f"{name}:",
        "scope": "TAG",
        "vector": "VECTOR",
        "data_type": "FLOAT32",
        "dim": name.rpartition("-")[2],
        "distance_metric": "COSINE",
    }


def _shape(info: Mapping[str, Any]) -> dict[str, str]:
    """What an index is, in the words of `_expected`; what the server does not tell is left out."""
    definition = _named(info.get("index_definition", []))
    attributes = {_text(one["attribute"]): one for one in map(_named, info.get("attributes", []))}
    vector = attributes.get("vector", {})
    return {
        "prefix": " ".join(map(_text, definition.get("prefixes", []))),
        **{field: _text(attributes.get(field, {}).get("type", "")) for field in ("scope", "vector")},
        **{what: _text(vector[what]) for what in ("data_type", "dim", "distance_metric") if what in vector},
    }


def _hits(reply: Any) -> Iterator[tuple[str, float]]:
    """Names and distances, from an answer in either protocol: RESP3 has maps, RESP2 lists.

    Where the server's own time limit for a search has passed, its answer is empty, and only RESP3 says why.
    """
    if isinstance(reply, Mapping):
        answer = _named(reply)
        if any(_TOO_LONG in _text(warning).lower() for warning in answer.get("warning", [])):
            raise StoreUnavailable(f"redis-semantic: {_SLOW}")
        pairs = [(one["id"], one.get("extra_attributes")) for one in map(_named, answer["results"])]
    else:
        pairs = list(zip(reply[1::2], reply[2::2], strict=True))
    for name, fields in pairs:
        distance = float(_named(fields or []).get("distance", math.nan))
        if math.isfinite(distance):  # what is no number has no place in an order
            yield _text(name), distance


def _named(reply: Any) -> dict[str, Any]:
    """A map of RESP3, or what RESP2 has for one: names and values by turns."""
    pairs = reply.items() if isinstance(reply, Mapping) else zip(reply[::2], reply[1::2], strict=False)
    return {_text(name): value for name, value in pairs}


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
