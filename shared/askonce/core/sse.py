"""Server-sent events, read incrementally and written. Knows the framing of the WHATWG HTML standard, part 9.2,
and nothing of what the events say.

A stream cut anywhere, in the middle of a line ending or of a character too, is read alike.
"""

import re
from dataclasses import dataclass

DONE = b"[DONE]"
_BOM = b"\xef\xbb\xbf"
_ENDING = re.compile(rb"\r\n|\n|\r(?=[^\n])")  # a CR at the very end may be half of a CR LF, so it waits for more


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: its type, the data lines joined by newlines, and the very bytes it came in, ending included.

    A blank line ends an event, so comments and stray blank lines come as events without data: they are passed on
    like the others, and mean nothing.
    """

    data: bytes
    raw: bytes
    event: bytes = b""


class SseParser:
    """Feed it bytes; it gives back every event that is whole. `rest` holds what is not, yet."""

    def __init__(self) -> None:
        self._buffer = b""
        self._line = 0  # where the current line begins
        self._searched = 0  # no line ends before this
        self._begun = False

    @property
    def rest(self) -> bytes:
        return self._buffer

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        buffer = self._buffer + data
        events: list[ServerSentEvent] = []
        begin, line = 0, self._line
        for ending in _ENDING.finditer(buffer, self._searched):
            after = ending.end()
            if ending.start() == line:
                events.append(self._read(buffer[begin:after]))
                begin = after
            line = after
        self._buffer = buffer[begin:]
        self._line = line - begin
        self._searched = max(self._line, len(self._buffer) - 1)
        return events

    def _read(self, raw: bytes) -> ServerSentEvent:
        text = raw
        if not self._begun:
            self._begun = True
            text = text.removeprefix(_BOM)
        name, data = b"", []
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        for line in text.split(b"\n"):
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                data.append(value)
            elif field == b"event":
                name = value
        return ServerSentEvent(b"\n".join(data), raw, name)


def frame(data: bytes) -> bytes:
    """`data`, which holds no line ending, as one event."""
    return b"data: " + data + b"\n\n"
