"""What the toy does wrong when it is asked to, by the name of the model: a proxy forwards that name and no header.

    toy-error-<status>   that status; 429 comes with `Retry-After: 7`
    toy-flaky            503 for every second request, the first one included
    toy-slow             a longer wait before the first byte
    toy-huge             an answer of 2 MiB
    toy-empty            no choices
    toy-no-usage         a stream without usage, asked for or not
    toy-malformed        JSON that is cut off; in a stream, one event of it
    toy-truncated        a stream that ends in the middle, cleanly
    toy-stream-error     a stream with an error event in the middle, and an end
    toy-broken-stream    a connection that dies in the middle of the answer, streamed or not

Any other name is answered as it should be.
"""

import re
from collections.abc import Sequence
from typing import Final

import orjson

from askonce.core.errors import RequestError
from askonce.core.sse import DONE
from askonce.toy.chat import Choice

FLAKY: Final = "toy-flaky"
SLOW: Final = "toy-slow"
HUGE: Final = "toy-huge"
EMPTY: Final = "toy-empty"
NO_USAGE: Final = "toy-no-usage"
BROKEN: Final = "toy-broken-stream"
_MALFORMED: Final = "toy-malformed"
_TRUNCATED: Final = "toy-truncated"
_STREAM_ERROR: Final = "toy-stream-error"

_FAILS: Final = re.compile(r"toy-error-([45]\d\d)")
_TYPES: Final = {401: "authentication_error", 429: "rate_limit_error", 500: "server_error", 503: "server_error"}
_HUGE_PIECE: Final = "all work and no play " * 3121  # 65,541 characters: with 32 of them, 2 MiB and a little
_HUGE_PIECES: Final = 32


def failure(model: str, times: int) -> RequestError | None:
    """The error that a request for this model ends in. `times` is how often `toy-flaky` was asked by now."""
    found = _FAILS.fullmatch(model)
    if found is None and not (model == FLAKY and times % 2):
        return None
    status = 503 if found is None else int(found[1])
    return RequestError(status, "The toy was asked to fail.", _TYPES.get(status, "invalid_request_error"), code=model)


def choices(model: str, said: list[Choice]) -> list[Choice]:
    if model == EMPTY:
        return []
    return [Choice([_HUGE_PIECE] * _HUGE_PIECES, "stop")] if model == HUGE else said


def whole(model: str, answer: bytes) -> bytes:
    return answer[: len(answer) // 2] if model == _MALFORMED else answer


def events(model: str, chunks: Sequence[bytes]) -> list[bytes]:
    """The data of a stream's events, its end included where it has one."""
    middle = len(chunks) // 2
    if model in {_TRUNCATED, BROKEN}:
        return list(chunks[:middle])
    if model == _STREAM_ERROR:
        error = {"message": "The toy was asked to fail.", "type": "server_error", "param": None, "code": model}
        return [*chunks[:middle], orjson.dumps({"error": error})]
    if model == _MALFORMED:
        return [*chunks[:middle], chunks[middle][: len(chunks[middle]) // 2], *chunks[middle + 1 :], DONE]
    return [*chunks, DONE]


def frames(model: str, events: Sequence[bytes]) -> list[bytes]:
    """The frames of a stream whose end is one of its own events; those that break end in the middle."""
    middle = len(events) // 2
    if model in {_TRUNCATED, BROKEN}:
        return list(events[:middle])
    if model == _MALFORMED:
        return [*events[:middle], events[middle][: len(events[middle]) // 2] + b"\n\n", *events[middle + 1 :]]
    return list(events)
