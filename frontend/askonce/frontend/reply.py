"""From an entry to the bytes of an answer, head included. Pure: the same reply whoever writes it to a socket.

`Cache-Status` is RFC 9211's; `x-litellm-cache-key` is sent on hits only, as LiteLLM does.
"""

import re
from collections.abc import Sequence
from email.utils import formatdate
from typing import Final, NamedTuple

from askonce.calls.endpoint import Answer, Body, Endpoint
from askonce.core.entry import FLOATS, JSON, MEDIA_TYPE, SSE, Entry, Found

CACHE_NAME = "askonce"
SIMILARITY: Final = "x-litellm-semantic-similarity"
# RFC 9110 8.3.1. A provider's type may be none: clients of HTTP decode RFC 2047's words in it, line breaks included.
_MEDIA_TYPE: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NO_COST: Final = "0.0"  # in US dollars, as LiteLLM writes it
_OCTETS: Final = "application/octet-stream"


class Reply(NamedTuple):
    """The body of a hit, and what its head says. `similarity` is told where questions are matched by meaning."""

    body: bytes
    content_type: str
    key: str
    age: int
    ttl: int | None
    source: str
    similarity: float | None = None


def from_entries(endpoint: Endpoint, body: Body, form: str, found: Sequence[Found], now: float) -> Reply:
    """The answer to a request whose every part was found.

    What is rendered from a single entry stays with it (`Found.forms`): a popular answer is rendered once.
    """
    if len(found) > 1:
        return _combined(endpoint, body, found, now)
    first = found[0]
    entry = first.entry
    rendered = first.forms.get(form)
    if rendered is None:
        rendered = first.forms[form] = _render(endpoint, body, form, entry)
    content_type = _content_type(SSE if form != "plain" else _plain_type(entry))
    return Reply(rendered, content_type, str(entry.key), entry.age(now), _left(entry.expires_at, now), first.source)


def _combined(endpoint: Endpoint, body: Body, found: Sequence[Found], now: float) -> Reply:
    """One answer out of several entries: as old as the oldest, as short-lived as the shortest-lived."""
    rendered, media_type = endpoint.combine(body, [as_answer(one.entry) for one in found])
    ends = [one.entry.expires_at for one in found if one.entry.expires_at is not None]
    ttl = _left(min(ends, default=None), now)
    age = max(one.entry.age(now) for one in found)
    return Reply(rendered, _content_type(media_type), str(found[0].entry.key), age, ttl, found[0].source)


def _left(end: float | None, now: float) -> int | None:
    """Whole seconds, never negative: the end may come between the plan and the reply."""
    return None if end is None else max(0, int(end - now))


def as_answer(entry: Entry) -> Answer:
    return Answer(entry.payload, entry.media_type, entry.usage)


def _render(endpoint: Endpoint, body: Body, form: str, entry: Entry) -> bytes:
    kept = as_answer(entry)
    return endpoint.combine(body, [kept])[0] if form == "plain" else endpoint.frames(kept, body)


def _plain_type(entry: Entry) -> str:
    """A packed vector, and what is kept as a stream, are sent as the JSON that they are rendered to."""
    return JSON if entry.media_type in {FLOATS, SSE} else entry.media_type


def _content_type(media_type: str) -> str:
    if media_type == JSON:
        return JSON
    if _MEDIA_TYPE.fullmatch(media_type):
        return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
    return media_type if MEDIA_TYPE.fullmatch(media_type) else _OCTETS


def hit_status(reply: Reply) -> str:
    """The Cache-Status of a hit."""
    ttl = "" if reply.ttl is None else f"; ttl={reply.ttl}"
    return f'{CACHE_NAME}; hit{ttl}; key="{reply.key}"; detail={reply.source}'


def hit_headers(reply: Reply) -> dict[str, str]:
    """The proxy's own headers on a hit; the provider's of another day are not repeated."""
    return {
        "Content-Type": reply.content_type,
        "Cache-Status": hit_status(reply),
        "Age": str(reply.age),
        "x-litellm-cache-key": reply.key,
        "x-litellm-response-cost": _NO_COST,
        **({} if reply.similarity is None else {SIMILARITY: similarity_text(reply.similarity)}),
    }


def hit_bytes(reply: Reply, date: str) -> bytes:
    """The whole head of a hit as HTTP/1.1, for a connection that is kept open."""
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {reply.content_type}\r\nContent-Length: {len(reply.body)}\r\n"
        f"Cache-Status: {hit_status(reply)}\r\nAge: {reply.age}\r\nx-litellm-cache-key: {reply.key}\r\n"
        f"x-litellm-response-cost: {_NO_COST}\r\n"
        f"{_similarity_line(reply)}Date: {date}\r\n\r\n"
    ).encode("ascii")


def similarity_text(similarity: float) -> str:
    """LiteLLM writes a float as Python does; more digits than these are noise of the quantisation."""
    return str(round(similarity, 6))


def _similarity_line(reply: Reply) -> str:
    return "" if reply.similarity is None else f"{SIMILARITY}: {similarity_text(reply.similarity)}\r\n"


def miss_status(
    *, fwd: str, key: str, stored: bool = False, collapsed: bool = False, ttl: float | None = None, detail: str = ""
) -> str:
    """The Cache-Status of an answer that came from upstream. `fwd` is RFC 9211's reason."""
    parts = [CACHE_NAME, f"fwd={fwd}"]
    if stored:
        parts.append("stored")
    if collapsed:
        parts.append("collapsed")
    if stored and ttl is not None:
        parts.append(f"ttl={int(ttl)}")
    parts.append(f'key="{key}"')
    if detail:
        parts.append(f"detail={detail}")
    return "; ".join(parts)


class HttpDate:
    """The Date header, made once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def at(self, now: float) -> str:
        if int(now) != self._second:
            self._second = int(now)
            self._text = formatdate(now, usegmt=True)
        return self._text
