"""How many tokens an answer from upstream took: of one that is kept as its entries say, of any other read as it comes.

Holds no more than `_MOST` bytes of an answer that is not held anyway. Knows no price.
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from askonce.calls.counted import counted, usage_in
from askonce.calls.endpoint import Body, Endpoint, Malformed, Uncertain
from askonce.core.entry import SSE, Entry, Usage
from askonce.core.sse import SseParser
from askonce.frontend.accounts.prices import Metered
from askonce.frontend.recording import Recording

_MOST: Final = 1 << 20
_HEARD: Final = ("duration", "seconds")  # of a transcription: in the answer, and in its usage


class Meter:
    """One answer's, to `body`. `watch` sees every chunk before the recording has it."""

    def __init__(self, endpoint: Endpoint, body: Body, media_type: str, status: int) -> None:
        self._endpoint = endpoint
        self._body = body
        self._media_type = media_type
        self._status = status
        self._begun = False
        self._parser = SseParser() if media_type == SSE else None
        self._held = bytearray()
        self._lost = False  # too much to be read
        self._usage: Body = {}
        self.done = False  # its answer is put down

    @property
    def streamed(self) -> bool:
        return self._parser is not None

    @property
    def answered(self) -> bool:
        """Whether it is an answer at all: what failed costs nothing."""
        return self._status == 200

    @property
    def listening(self) -> bool:
        """Whether what is still to come can tell more."""
        return self.answered and not self._lost

    def watch(self, recording: Recording, chunk: bytes) -> None:
        """Reads what the recording will not hold: what it does is read at the end, if nobody else has read it."""
        if not self.answered or recording.size + len(chunk) <= recording.limit:
            return
        if not self._begun:
            self._begun = True
            self._feed(recording.whole())
        self._feed(chunk)

    def kept(self, entries: Sequence[Entry], missing: int) -> Metered | None:
        """By the entries, where they are all that was asked for."""
        if not entries or len(entries) < missing:
            return None
        total = sum((entry.usage for entry in entries), Usage())
        return self._metered(total if total != Usage() else None, entries[0].payload)

    def read(self, held: bytes) -> Metered:
        """By the answer itself; `held` is the whole where the recording could hold it."""
        if not self._begun:
            self._begun = True
            self._feed(held)
        if self._parser is not None:
            return self._metered(counted(self._usage), b"")
        payload = b"" if self._lost else bytes(self._held)
        return self._metered(self._plain(payload), payload)

    def _feed(self, data: bytes) -> None:
        if self._lost:
            return
        if self._parser is None:
            self._held += data
            self._lost = len(self._held) > _MOST
            return
        for event in self._parser.feed(data):
            if b'"usage"' in event.data:
                self._usage |= usage_in(_object(event.data))
        self._lost = len(self._parser.rest) > _MOST

    def _plain(self, payload: bytes) -> Usage | None:
        said = counted(usage_in(_object(payload)))
        if said is not None or not payload:
            return said
        try:
            parts = self._endpoint.answers(self._body, payload, self._media_type)
        except (Malformed, Uncertain):
            return None
        total = sum((part.usage for part in parts), Usage())
        return total if total != Usage() else None

    def _metered(self, usage: Usage | None, payload: bytes) -> Metered:
        name = self._endpoint.name
        return Metered(
            usage,
            queries=1 if name == "rerank" else 0,
            characters=len(self._body["input"]) if name == "speech" else 0,
            seconds=_seconds(payload) if name == "transcription" else 0.0,
        )


def _object(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _seconds(payload: bytes) -> float | None:
    answer = _object(payload)
    for holder in (answer, usage_in(answer)):
        for name in _HEARD:
            said = holder.get(name) if isinstance(holder, dict) else None
            if isinstance(said, int | float) and not isinstance(said, bool) and said >= 0:
                return float(said)
    return None
