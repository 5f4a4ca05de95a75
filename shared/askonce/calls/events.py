"""Streams of events that each hold a JSON object with a `type`, one of which is the end. Knows no API.

What an event says, and which are errors, is told by a `Reading`.
"""

from collections.abc import Callable
from typing import Final

from askonce.calls.endpoint import Body, Malformed
from askonce.calls.parsing import read_object
from askonce.core.sse import DONE, ServerSentEvent, SseParser

Reading = Callable[[ServerSentEvent], Body | None]
"""An event's object; None for one that means nothing."""

_DONE_LINE: Final = b"data: " + DONE


def as_it_is(event: ServerSentEvent) -> Body:
    """Raises Malformed."""
    return read_object(event.data)


def whole(stream: bytes, end: str, reading: Reading) -> list[Body]:
    """Every event of a stream that is nothing but them: the last one is the end. A `[DONE]` after them is no event.
    Raises Malformed, and what `reading` raises.
    """
    parser = SseParser()
    said = [event for event in parser.feed(stream) if event.data]
    if said and said[-1].data == DONE:
        said.pop()
    if parser.rest.strip() not in (b"", _DONE_LINE):
        raise Malformed("cut inside an event")
    events = [read for read in map(reading, said) if read is not None]
    if not events or events[-1].get("type") != end:
        raise Malformed("the end is missing")
    return events


def until(stream: bytes, end: str, reading: Reading, more: type[ValueError] = Malformed) -> tuple[list[Body], int]:
    """The events up to the end, and how many bytes those are; 0 without one. What comes after it may be `[DONE]`, the
    beginning of one too. Raises `more` for an event after it, Malformed for a piece of one, and what `reading` raises.
    """
    parser = SseParser()
    events: list[Body] = []
    taken = length = 0
    for event in parser.feed(stream):
        taken += len(event.raw)
        if not event.data or (length and event.data == DONE):
            continue
        read = reading(event)
        if read is None:
            continue
        if length:
            raise more("more after the end")
        events.append(read)
        if read.get("type") == end:
            length = taken
    rest = parser.rest.strip()
    if rest and not (length and _DONE_LINE.replace(b" ", b"").startswith(rest.replace(b" ", b""))):
        raise Malformed("cut inside an event")
    return events, length


def well_formed(stream: bytes, read: Callable[[bytes], object]) -> bool:
    """Whether `read` does without Malformed."""
    try:
        read(stream)
    except Malformed:
        return False
    return True
