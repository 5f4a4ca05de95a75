"""A route of the toy whose answers are made by one function, whole or as events."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from askonce.toy.chat import Stamp

Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """`check` raises RequestError (400). `answer` gives the bytes and their content type; `events` the same answer as
    frames of SSE, ready to send, and is None where the route is not streamed. `prefix` begins an answer's id.
    """

    path: str
    prefix: str
    check: Callable[[Said], None]
    answer: Callable[[Said, Stamp], tuple[bytes, str]]
    events: Callable[[Said, Stamp], Iterable[bytes]] | None = None
