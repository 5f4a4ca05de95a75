"""A stream of the Messages API, read: its events, whether it ended as a whole one does, and the message they tell.

Source: Anthropic's documentation, "Streaming messages", and the types of its SDKs.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

from askonce.calls.endpoint import Body, Malformed, Uncertain
from askonce.calls.events import until
from askonce.calls.messages_json import exact
from askonce.calls.parsing import read_object
from askonce.core.sse import ServerSentEvent

END: Final = "message_stop"
# Members of a message that its message_delta tells beside `delta`.
_BESIDE: Final = ("context_management", "input_transformations")
_COUNTED: Final = ("input_tokens", "output_tokens")
_DELTA_MEMBERS: Final = frozenset({"type", "delta", "usage", *_BESIDE})


@dataclass(frozen=True, slots=True)
class Told:
    """The events of a stream, less its pings, and the bytes up to the end of its message_stop; 0 without one."""

    events: list[Body]
    length: int


def read(stream: bytes) -> Told:
    """Raises Malformed, Uncertain. Pings may stand anywhere; a `[DONE]` after the end, as some gateways add, is no
    event.
    """
    events, length = until(stream, END, _told, more=Uncertain)
    return Told(events, length)


def ended(events: Sequence[Body]) -> bool:
    """Whether the message began and stopped, with every block in it, and said why it stopped."""
    if not events or events[0]["type"] != "message_start" or events[-1]["type"] != END:
        return False
    opened, closed = (
        Counter(str(one.get("index")) for one in _of(events, kind))
        for kind in ("content_block_start", "content_block_stop")
    )
    deltas = (one.get("delta") for one in _of(events, "message_delta"))
    return opened == closed and any(isinstance(one, dict) and one.get("stop_reason") is not None for one in deltas)


def assembled(events: Sequence[Body]) -> Body:
    """The message as the same request gets it without streaming. Raises Malformed, Uncertain."""
    if not ended(events):
        raise Malformed("the end is missing")
    opening = events[0].get("message")
    if not isinstance(opening, dict):
        raise Malformed("a start without a message")
    if opening.get("content"):
        raise Uncertain("content before the first block")
    message, blocks = {**opening}, list[_Block]()
    for event in events[1:-1]:
        match event["type"]:
            case "content_block_start":
                blocks.append(_opened(event, len(blocks)))
            case "content_block_delta":
                _named(blocks, event).take(event.get("delta"))
            case "content_block_stop":
                _named(blocks, event).closed = True
            case "message_delta":
                _merge(message, event)
            case _:
                raise Uncertain("an unknown kind of event")
    usage = message.get("usage")
    if not isinstance(usage, dict) or not all(type(usage.get(name)) is int for name in _COUNTED):
        raise Uncertain("tokens that are not counted")  # as they are in the plain answer
    return {**message, "content": [block.whole() for block in blocks]}


class _Kind(NamedTuple):
    """A kind of delta: the blocks that take it, its member that says something, and the member of the block that
    `fold` makes of what the block was opened with and all that was said.
    """

    blocks: tuple[str, ...]
    says: str
    member: str
    fold: Callable[[Any, list[Any]], Any]


@dataclass(slots=True)
class _Block:
    """A block of the content, while its pieces come in."""

    start: Body
    pieces: dict[str, list[Any]] = field(default_factory=dict)
    closed: bool = False

    def take(self, delta: Any) -> None:
        if not isinstance(delta, dict):
            raise Malformed("a piece without a delta")
        kind = _KINDS.get(str(delta.get("type")))
        if kind is None or self.start.get("type") not in kind.blocks:
            raise Uncertain("an unknown kind of delta")
        if not delta.keys() <= {"type", kind.says, "estimated_tokens"}:  # the last is a hint for progress bars
            raise Uncertain("a delta that says more than is known")
        self.pieces.setdefault(str(delta["type"]), []).append(delta.get(kind.says))

    def whole(self) -> Body:
        block = {**self.start}
        for name, pieces in self.pieces.items():
            kind = _KINDS[name]
            block[kind.member] = kind.fold(self.start.get(kind.member), pieces)
        return block


def _text(start: Any, pieces: list[Any]) -> str:
    said = ["" if start is None else start, *pieces]
    if not all(isinstance(one, str) for one in said):
        raise Malformed("a piece that is no text")
    return "".join(said)


def _signature(start: Any, pieces: list[Any]) -> str:
    """Said once: Anthropic's own clients take the last one, and join none."""
    if not _text(start, pieces):
        return ""
    first, *others = {one for one in (start, *pieces) if one}
    if others:
        raise Uncertain("two signatures")
    return str(first)


def _citations(start: Any, pieces: list[Any]) -> list[Any]:
    if not isinstance(start, list | None) or not all(isinstance(one, dict) for one in pieces):
        raise Malformed("citations that are none")
    return [*(start or []), *pieces]


def _input(start: Any, pieces: list[Any]) -> Body:
    """An input that was cut off, as `max_tokens` may do, is no JSON: what the plain answer would make of it is not
    known.
    """
    said = _text(None, pieces).encode()
    if start and said:
        raise Uncertain("a tool's input twice")
    if not said:
        return start or {}
    try:
        orjson.dumps(given := orjson.loads(said))
    except orjson.JSONDecodeError:
        raise Malformed("a tool's input is no JSON") from None
    except TypeError:
        raise Malformed("a tool's input is nested too deeply") from None
    if not isinstance(given, dict):
        raise Malformed("a tool's input is no object")
    return exact(given, said)  # type: ignore[no-any-return]


_KINDS: Final = {
    "text_delta": _Kind(("text",), "text", "text", _text),
    "citations_delta": _Kind(("text",), "citation", "citations", _citations),
    "thinking_delta": _Kind(("thinking",), "thinking", "thinking", _text),
    "signature_delta": _Kind(("thinking",), "signature", "signature", _signature),
    "input_json_delta": _Kind(("tool_use", "server_tool_use", "mcp_tool_use"), "partial_json", "input", _input),
}


def _told(event: ServerSentEvent) -> Body | None:
    if event.event == b"error":
        raise Malformed("an error event")
    told: Body = exact(read_object(event.data), event.data)
    kind = told.get("type")
    if not isinstance(kind, str) or kind == "error":
        raise Malformed("an event that is an error, or has no type")
    if event.event and event.event != kind.encode():
        raise Uncertain("an event of two names")
    return None if kind == "ping" else told


def _of(events: Sequence[Body], kind: str) -> Iterator[Body]:
    return (event for event in events if event["type"] == kind)


def _opened(event: Body, position: int) -> _Block:
    block = event.get("content_block")
    if not isinstance(block, dict):
        raise Malformed("a block that is no object")
    if event.get("index") != position or type(event["index"]) is not int:
        raise Uncertain("a block out of turn")
    return _Block(block)


def _named(blocks: list[_Block], event: Body) -> _Block:
    """The open block that a piece or a stop belongs to."""
    index = event.get("index")
    if type(index) is not int or not 0 <= index < len(blocks) or blocks[index].closed:
        raise Uncertain("a piece of no open block")
    return blocks[index]


def _merge(message: Body, event: Body) -> None:
    """What a message_delta says goes onto the message: why it stopped, and counts, which are totals so far. A null
    says nothing.
    """
    delta, before, after = event.get("delta"), message.get("usage"), event.get("usage")
    if not isinstance(delta, dict) or not isinstance(before, dict | None) or not isinstance(after, dict | None):
        raise Malformed("a message_delta without its members")
    if not event.keys() <= _DELTA_MEMBERS:
        raise Uncertain("a message_delta that says more than is known")
    for name, value in delta.items():
        if value is not None and message.get(name) not in (None, value):
            raise Uncertain("two different values")
    message |= _said(delta) | _said({name: event.get(name) for name in _BESIDE})
    if after:
        message["usage"] = {**(before or {}), **_said(after)}


def _said(members: Body) -> Body:
    return {name: value for name, value in members.items() if value is not None}
