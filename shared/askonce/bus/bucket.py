"""Records in a key-value bucket of NATS. Knows how they are read, written, listed and watched; not what they say."""

from collections.abc import Callable
from typing import Final

from nats.aio.msg import Msg
from nats.js.api import RawStreamMsg

from askonce.bus import names
from askonce.bus.feed import OrderedFeed
from askonce.bus.kept import Ensure, Kept
from askonce.bus.link import OPENING, Link
from askonce.bus.listing import latest
from askonce.bus.protocols import Record
from askonce.core.errors import BusConflict

_OPERATION: Final = "KV-Operation"  # ADR-8 of nats-architecture-and-design: DEL and PURGE say that it is gone
_DELETED: Final = {_OPERATION: "DEL"}


class NatsBucket:
    """`bus.protocols.Bucket`. `ensure` makes the stream where it is not there."""

    def __init__(self, link: Link, ensure: Ensure) -> None:
        self._link, self._ensure = link, ensure
        self._kept = Kept(link, names.KEY_STREAM, ensure)
        self._feed: OrderedFeed | None = None

    @property
    def connected(self) -> bool:
        return self._link.connected

    async def get(self, name: str) -> Record | None:
        last = await self._kept.last(names.record(name))
        return None if last is None or _gone(last) else Record(last.data or b"", last.seq or 0)

    async def put(self, name: str, value: bytes, *, revision: int | None = None) -> int:
        subject = names.record(name)
        try:
            return (await self._kept.write(subject, value, {}, revision)).seq
        except BusConflict:
            last = None if revision else await self._kept.last(subject)
            if last is None or not _gone(last):
                raise
        # to the server, one that was deleted has the revision of its deletion
        return (await self._kept.write(subject, value, {}, last.seq)).seq

    async def delete(self, name: str, *, revision: int | None = None) -> None:
        subject = names.record(name)
        try:
            await self._kept.write(subject, b"", _DELETED, revision)
        except BusConflict:
            last = await self._kept.last(subject)
            if last is not None and not _gone(last):
                raise

    async def all(self, start: str) -> dict[str, Record]:
        found = await latest(self._link, names.KEY_STREAM, names.records(start), self._ensure)
        records = ((names.record_name(subject), _record(message)) for subject, message in found.items())
        return {name: record for name, record in records if record is not None}

    async def watch(self, on_change: Callable[[str, Record | None], None], on_gap: Callable[[], None]) -> None:
        def take(message: Msg) -> None:
            on_change(names.record_name(message.subject), _record(message))

        if self._feed is None:
            self._feed = OrderedFeed(self._link, names.KEY_STREAM, take, on_gap, whole=False, ensure=self._ensure)
        await self._feed.start(OPENING)

    async def close(self) -> None:
        if self._feed is not None:
            await self._feed.close()


def _gone(message: Msg | RawStreamMsg) -> bool:
    return _OPERATION in (message.headers or {})


def _record(message: Msg) -> Record | None:
    return None if _gone(message) else Record(message.data, message.metadata.sequence.stream)
