"""A recording against a model of it: any interleaving of appending, reading, joining, leaving and ending."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from askonce.core.errors import UpstreamUnavailable
from askonce.frontend.recording import CutOffError, Head, Reading, Recording

LIMIT = 40 * 1024
WINDOW, STRAGGLE = 256 * 1024, 8 * 256 * 1024
ENDED = object()
sizes = st.sampled_from([1, 1000, 30 * 1024, 300 * 1024, 1200 * 1024])


@dataclass(eq=False)
class Modelled:
    """What a reader should have got: the first `taken` chunks of all that were sent."""

    reading: Reading
    chunks: AsyncIterator[bytes] = field(init=False)
    taken: int = 0
    cut: bool = False

    def __post_init__(self) -> None:
        self.chunks = self.reading.chunks()


class Steps(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.sent: list[bytes] = []
        self.readers: list[Modelled] = []
        self.ended = False
        self.error: UpstreamUnavailable | None = None

    @initialize()
    def begin(self) -> None:
        async def make() -> Recording:
            return Recording(LIMIT)

        self.recording = self.loop.run_until_complete(make())
        self.recording.open(Head(200, [], "text/plain", None))

    @property
    def total(self) -> int:
        return sum(map(len, self.sent))

    def got(self, reader: Modelled) -> int:
        return sum(map(len, self.sent[: reader.taken]))

    @property
    def live(self) -> list[Modelled]:
        return [reader for reader in self.readers if not reader.cut]

    @precondition(lambda self: not self.ended)
    @rule(size=sizes)
    def append(self, size: int) -> None:
        chunk = bytes([len(self.sent) % 256]) * size
        self.sent.append(chunk)
        self.recording.append(chunk)
        if self.total > LIMIT and len(self.live) > 1:
            fastest = max(map(self.got, self.live))
            for reader in self.live:
                reader.cut = fastest - self.got(reader) > STRAGGLE

    @precondition(lambda self: self.recording.joinable)
    @rule()
    def join(self) -> None:
        assert not self.ended
        assert self.total <= LIMIT
        self.readers.append(Modelled(self.recording.join()))

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        reader = self.readers.pop(data.draw(st.integers(0, len(self.readers) - 1)))
        reader.reading.leave()

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), most=st.integers(1, 5))
    def read(self, data: st.DataObject, most: int) -> None:
        """Reads what is there, up to `most` chunks; then the end, the error or the cut shows, or it would wait."""
        reader = self.readers[data.draw(st.integers(0, len(self.readers) - 1))]
        for _ in range(most):
            if reader.cut:
                self.ends(reader, CutOffError)
                return
            if reader.taken == len(self.sent):
                self.at_the_end(reader)
                return
            assert self.loop.run_until_complete(anext(reader.chunks)) == self.sent[reader.taken]
            reader.taken += 1

    def at_the_end(self, reader: Modelled) -> None:
        if self.error is not None:
            self.ends(reader, UpstreamUnavailable)
        elif self.ended:
            assert self.loop.run_until_complete(anext(reader.chunks, ENDED)) is ENDED
            self.leaves(reader)
        else:
            assert self.waits(anext(reader.chunks))
            reader.chunks = reader.reading.chunks()

    def ends(self, reader: Modelled, how: type[Exception]) -> None:
        with pytest.raises(how):
            self.loop.run_until_complete(anext(reader.chunks))
        self.leaves(reader)

    def leaves(self, reader: Modelled) -> None:
        reader.reading.leave()
        self.readers.remove(reader)

    def waits(self, coroutine: object) -> bool:
        async def look() -> bool:
            task = asyncio.ensure_future(coroutine)  # type: ignore[arg-type]
            for _ in range(5):
                await asyncio.sleep(0)
            waiting = not task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return waiting

        return self.loop.run_until_complete(look())

    @precondition(lambda self: not self.ended)
    @rule(broken=st.booleans())
    def finish(self, broken: bool) -> None:
        self.ended = True
        self.error = UpstreamUnavailable("broke off") if broken else None
        self.recording.finish(self.error)

    @rule()
    def room(self) -> None:
        """Wanted while it is held; refused when nobody is left; else as far as the fastest reader is."""
        if self.total <= LIMIT:
            assert self.loop.run_until_complete(self.recording.room()) is True
        elif not self.live:
            assert self.loop.run_until_complete(self.recording.room()) is False
        elif self.total - max(map(self.got, self.live)) <= WINDOW:
            assert self.loop.run_until_complete(self.recording.room()) is True
        else:
            assert self.waits(self.recording.room())

    @rule()
    def look(self) -> None:
        """All is held up to the limit; after it, no more than what the slowest still needs."""
        recording = self.recording
        assert recording.size == self.total
        assert recording.joinable == (not self.ended and self.total <= LIMIT)
        if self.total <= LIMIT:
            assert recording.whole() == b"".join(self.sent)
        else:
            needed = min((reader.taken for reader in self.live), default=len(self.sent))
            assert recording.whole() == b"".join(self.sent[needed:])

    def teardown(self) -> None:
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


TestSteps = Steps.TestCase
TestSteps.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
