"""The redis store: entries under `[prefix]<key>`, wherever Redis is. Knows no more of redis-py than commands."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from askonce.config.settings import RedisSettings
from askonce.core.entry import Entry, Found, Lookup
from askonce.core.errors import StoreError, StoreRefused, WireError
from askonce.core.flushes import reaches
from askonce.core.key import CacheKey
from askonce.core.wire import Stamp, decode_entry, encode_entry, header_size, stamp
from askonce.stores.redis.client import Lost, connect, connect_nodes
from askonce.stores.redis.cluster import Cluster
from askonce.stores.redis.keys import Command, Keys, OneServer, raise_first
from askonce.stores.together import Together, Values
from askonce.stores.values import found

NAME: Final = "redis"

READ_SECONDS: Final = 1.0  # for connecting and for an answer; the deadline of a read is shorter, see `guards`
WRITE_SECONDS: Final = 5.0
_LARGEST_VALUE = 512 << 20  # bytes, Redis's proto-max-bulk-len; it drops the connection of who sends more
_ANY_TAKES: Final = 1 << 20  # bytes, the least that proto-max-bulk-len can be set to
_ATTEMPTS: Final = 2  # to put one that may be too large
_REMOVED_AT_ONCE = 1000
_HEADER: Final = 1024  # bytes that hold an entry's header, unless the text is long that it was asked in


def open_keys(settings: RedisSettings, seconds: float, prefix: str) -> Keys:
    if settings.cluster_nodes:
        return Cluster(settings.cluster_nodes, connect_nodes(settings, seconds), prefix)
    return OneServer(connect(settings, seconds), prefix)


class RedisReader:
    """Concurrent gets share round trips. `prefix` stands before every key in the server and nowhere else."""

    name: Final = NAME

    def __init__(self, settings: RedisSettings, prefix: str, clock: Callable[[], float]) -> None:
        self._keys = open_keys(settings, READ_SECONDS, prefix)
        self._together = Together(self._keys.values)
        self._prefix = prefix
        self._clock = clock

    async def get(self, lookups: Sequence[Lookup]) -> list[Found | None]:
        if not lookups:
            return []
        values = await self._together.get([f"{self._prefix}{lookup.key}" for lookup in lookups])
        now = self._clock()
        return [found(value, lookup, NAME, now) for lookup, value in zip(lookups, values, strict=True)]

    async def ping(self) -> None:
        """Also opens the first connections. Of a cluster one node that answers is enough: what the others have is
        missed, and what it has is found.
        """
        await self._keys.ping(whole=False)

    async def close(self) -> None:
        await self._together.close()
        await self._keys.close()


class RedisWriter:
    """A batch is one look at what is there and one pipeline. Redis removes what has expired by itself.

    An older answer does not replace a newer one: a redelivery may come minutes after a refresh of its key, and
    would undo it. Looking first costs a round trip a batch, and misses only what another writer does in that
    millisecond; a script in the server would close that gap too, and ask for a permission that many do not give.
    """

    name: Final = NAME

    def __init__(self, settings: RedisSettings, prefix: str, clock: Callable[[], float]) -> None:
        self._keys = open_keys(settings, WRITE_SECONDS, prefix)
        self._prefix = prefix
        self._clock = clock

    async def put(self, entries: Sequence[Entry]) -> None:
        newest = self._newest(entries)
        values = {key: encode_entry(entry) for key, entry in newest.items()}
        if any(len(value) > _LARGEST_VALUE for value in values.values()):
            raise StoreRefused("redis: an entry larger than a value can be")
        held = await self._held(list(newest))
        wanted = [key for key, before in zip(newest, held, strict=True) if _stored_at(before) < newest[key].stored_at]
        commands = {key: _set(key, values[key], newest[key].expires_at) for key in wanted}
        large = [key for key in wanted if len(values[key]) > _ANY_TAKES]
        raise_first(await self._keys.run([command for key, command in commands.items() if key not in large]))
        for key in large:
            await self._put_large(commands[key])

    async def _held(self, names: Sequence[str]) -> Values:
        held: list[bytes | None] = []
        for one in await self._keys.values(names):
            if isinstance(one, StoreError):
                raise one
            held.append(one)
        return held

    async def _put_large(self, command: Command) -> None:
        """By itself: a server that does not take it drops the connection, and with it whatever else was sent. That
        looks like a server that is away, but for what comes next: it answers, and drops the connection again.
        """
        for _ in range(_ATTEMPTS):
            (answer,) = await self._keys.run([command])
            if not isinstance(answer, Lost) or not await self._keys.answers(str(command[1])):
                raise_first([answer])
                return
        raise StoreRefused("redis: an entry larger than the server takes")

    def _newest(self, entries: Sequence[Entry]) -> dict[str, Entry]:
        now = self._clock()
        alive = sorted((entry for entry in entries if entry.fresh(now)), key=lambda entry: entry.stored_at)
        return {f"{self._prefix}{entry.key}": entry for entry in alive}

    async def delete(self, keys: Sequence[CacheKey]) -> None:
        await self._keys.unlink([f"{self._prefix}{key}" for key in keys])

    async def remove(self, entries: Sequence[Entry]) -> None:
        """A look at what is there, then UNLINK, for the reason that `put` looks first. What another writer puts in
        between is lost and asked for once more; what is gone stays gone, which is what this is for.
        """
        for start in range(0, len(entries), _REMOVED_AT_ONCE):
            wanted = {f"{self._prefix}{one.key}": one.stored_at for one in entries[start : start + _REMOVED_AT_ONCE]}
            held = await self._held(list(wanted))
            named = zip(wanted.items(), held, strict=True)
            await self._keys.unlink([name for (name, stored_at), value in named if _stored_at(value) == stored_at])

    async def flush(
        self, namespace: str, before: float, first: Callable[[Sequence[CacheKey]], Awaitable[None]] | None = None
    ) -> int:
        """Walks over the keys until once there is nothing to remove: while a server takes another's place, or keys
        move, a walk may miss some. A look at the headers, then UNLINK, as `remove` has it. `first` is done with the
        keys of each step before they go.
        """
        flushed, found = 0, 1
        while found:
            found = 0
            async for names in self._keys.beginning_with(f"{self._prefix}{namespace}:" if namespace else self._prefix):
                keys = await self._reached(names, namespace, before)
                if first is not None:
                    await first(keys)
                await self.delete(keys)
                found += len(keys)
            flushed += found
        return flushed

    async def _reached(self, names: Sequence[str], namespace: str, before: float) -> list[CacheKey]:
        """Of these names, the entries that are to go."""
        parsed = {name: CacheKey.parse(name.removeprefix(self._prefix)) for name in names}
        keys = {name: key for name, key in parsed.items() if key is not None}
        reached: list[CacheKey] = []
        for name, known in (await self._stamps(list(keys))).items():
            if known.stored_at <= before and reaches(namespace, keys[name], known.home):
                reached.append(keys[name])
        return reached

    async def _stamps(self, names: Sequence[str]) -> dict[str, Stamp]:
        """Of what is an entry of ours. Its answer, which may have a megabyte, is not fetched."""
        starts = await self._starts(dict.fromkeys(names, _HEADER))
        sizes = {name: _header_size(start) for name, start in starts.items()}
        starts |= await self._starts({name: size for name, size in sizes.items() if size > len(starts[name])})
        found: dict[str, Stamp] = {}
        for name, start in starts.items():
            with suppress(WireError):
                found[name] = stamp(start)
        return found

    async def _starts(self, sizes: Mapping[str, int]) -> dict[str, bytes]:
        """The first bytes of the values."""
        answers = await self._keys.run([("GETRANGE", name, 0, size - 1) for name, size in sizes.items()])
        raise_first(answers)
        return dict(zip(sizes, answers, strict=True))

    async def sweep(self, now: float) -> int:  # noqa: ARG002 - the server keeps its own time
        return 0

    async def ping(self) -> None:
        """Of a cluster every node has to answer: a batch is kept whole or tried again, so there is no use in going on
        without one.
        """
        await self._keys.ping(whole=True)

    async def close(self) -> None:
        await self._keys.close()


def _set(key: str, value: bytes, expires_at: float | None) -> Command:
    if expires_at is None:
        return ("SET", key, value)
    # rounded up: the entry itself says exactly when it ends
    return ("SET", key, value, "PXAT", math.ceil(expires_at * 1000))


def _header_size(start: bytes) -> int:
    try:
        return header_size(start)
    except WireError:  # none of ours
        return 0


def _stored_at(value: bytes | None) -> float:
    if value is None:
        return -math.inf
    try:
        return decode_entry(value).stored_at
    except WireError:
        return -math.inf
