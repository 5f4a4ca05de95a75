"""One upstream answer, many readers: the client that caused it, those who joined, and the cache.

Everything is held up to `limit` bytes, so that whoever joins reads from the start. Past it nobody can join, only what
a reader still needs is held, the upstream is read no faster than the fastest reader reads, and a reader too far
behind the fastest is cut off.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from askonce.core.errors import UpstreamError, UpstreamUnavailable

_WINDOW = 256 * 1024  # bytes that the upstream may be ahead of the fastest reader, once nothing is kept any more
_STRAGGLE = 8 * _WINDOW  # bytes that a reader may be behind the fastest


class CutOffError(ConnectionError):
    """A reader that was too slow; the others went on."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status, headers as they are passed on, the type of the body, and its length where that is known.

    `framed` says that the end can be told from a break: by a length or by chunks.
    """

    status: int
    headers: list[tuple[str, str]]
    media_type: str
    length: int | None
    framed: bool = True


@dataclass(eq=False, slots=True)
class _Place:
    """Where a reader is: chunks and bytes taken since the start."""

    chunks: int = 0
    taken: int = 0
    cut: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Recording:
    """`on_abandoned` is called once, when nobody reads any more what cannot be kept."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.on_abandoned: Callable[[], object] | None = None
        self._chunks: deque[bytes] = deque()
        self._gone = 0  # chunks that are held no more
        self._total = 0
        self._places: set[_Place] = set()
        self._moved = asyncio.Event()
        self._ended = False
        self._over = asyncio.Event()
        self._error: UpstreamError | None = None
        self._head: asyncio.Future[Head] = asyncio.get_running_loop().create_future()

    # -- the side that records -----------------------------------------------------------------------------------

    def open(self, head: Head) -> None:
        self._head.set_result(head)

    def append(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._total += len(chunk)
        if self.overflown:
            self._over.set()  # for who waits for an entry: none will come of this
            self._cut_stragglers()
            self._trim()
            self._look_for_readers()
        self._wake_all()

    async def room(self) -> bool:
        """Waits until the next chunk is wanted; False when nobody wants any more."""
        while self.overflown:
            if not self._places:
                return False
            if self._total - max(place.taken for place in self._places) <= _WINDOW:
                return True
            self._moved.clear()
            await self._moved.wait()
        return True

    def finish(self, error: UpstreamError | None = None) -> None:
        """The end, or the break: readers see the error after the last byte that came."""
        if not self._head.done():
            self._head.set_exception(error or UpstreamUnavailable("no answer"))
            self._head.exception()  # seen, even if every reader has left
        self._ended, self._error = True, error
        self._over.set()
        self._wake_all()

    @property
    def opened(self) -> Head:
        """The head, once it has come."""
        return self._head.result()

    @property
    def overflown(self) -> bool:
        return self._total > self.limit

    @property
    def size(self) -> int:
        return self._total

    def whole(self) -> bytes:
        """All that has come. Only meaningful while nothing has been let go."""
        return b"".join(self._chunks)

    # -- the side that reads -------------------------------------------------------------------------------------

    @property
    def joinable(self) -> bool:
        return not self._ended and self._gone == 0 and not self.overflown

    def join(self) -> "Reading":
        place = _Place()
        self._places.add(place)
        return Reading(self, place)

    async def head(self) -> Head:
        """Raises the UpstreamError that came instead."""
        return await asyncio.shield(self._head)

    async def over(self) -> None:
        """Waits for the end, good or bad, or for the moment when it is too large to become an entry."""
        await self._over.wait()

    def leave(self, place: _Place) -> None:
        self._places.discard(place)
        if self.overflown:
            self._trim()
        self._moved.set()
        self._look_for_readers()

    async def read_from(self, place: _Place) -> AsyncIterator[bytes]:
        while True:
            while place.chunks - self._gone < len(self._chunks):
                if place.cut:
                    raise CutOffError("too far behind the other readers of the same answer")
                chunk = self._chunks[place.chunks - self._gone]
                place.chunks += 1
                place.taken += len(chunk)
                if self.overflown:
                    self._trim()
                    self._moved.set()
                yield chunk
            if self._error is not None:
                raise self._error
            if self._ended:
                return
            place.wake.clear()
            await place.wake.wait()

    def _look_for_readers(self) -> None:
        told = self.on_abandoned
        if told is not None and not self._places and not self._ended and (self.overflown or self.limit == 0):
            self.on_abandoned = None
            told()

    def _wake_all(self) -> None:
        for place in self._places:
            place.wake.set()

    def _cut_stragglers(self) -> None:
        if len(self._places) > 1:
            fastest = max(place.taken for place in self._places)
            for place in [place for place in self._places if fastest - place.taken > _STRAGGLE]:
                place.cut = True
                place.wake.set()
                self._places.discard(place)

    def _trim(self) -> None:
        needed = min((place.chunks for place in self._places), default=self._gone + len(self._chunks))
        while self._gone < needed and self._chunks:
            self._chunks.popleft()
            self._gone += 1


class Reading:
    """One reader's place in a recording, from the start. Leave it when done, however it ended."""

    def __init__(self, recording: Recording, place: _Place) -> None:
        self.recording = recording
        self._place = place

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises UpstreamError where the upstream broke, CutOffError for a reader too slow."""
        async for chunk in self.recording.read_from(self._place):
            yield chunk

    async def rest_or_overflow(self) -> tuple[list[bytes], bool]:
        """Chunks up to the end, or up to where the answer is too large to be held; and whether it was the end."""
        held: list[bytes] = []
        async for chunk in self.chunks():
            held.append(chunk)
            if self.recording.overflown:
                return held, False
        return held, True

    def leave(self) -> None:
        self.recording.leave(self._place)
