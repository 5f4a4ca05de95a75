"""Responses: plain, and as streams of typed events whose last one repeats the whole answer.

A stream is kept and replayed as it came; the plain answer is taken out of its last event.
Source: OpenAI's API reference, "Responses" and "Streaming events".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from askonce.calls.checks import check_model, check_stream
from askonce.calls.endpoint import Answer, Body, Malformed, Uncertain, Unfinished, usual
from askonce.calls.events import until, well_formed
from askonce.calls.parsing import read_object, tokens
from askonce.calls.responses_events import ARGUMENTS_DELTA, COMPLETED, TEXT_DELTA, written
from askonce.calls.usual import UsualEndpoint
from askonce.core.entry import JSON, SSE, Usage
from askonce.core.errors import bad_request
from askonce.core.sse import ServerSentEvent, SseParser

_OTHER_ENDS: Final = ("error", "response.failed", "response.incomplete", "response.cancelled")
_NOT_REPEATED: Final = ("conversation", "background")
_BLANK_LINES: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")


@dataclass(frozen=True, slots=True)
class Responses(UsualEndpoint):
    name: str = "responses"
    path: str = "/responses"
    paths: tuple[str, ...] = usual("/responses")
    whole_in_stream: bool = True
    terminal: bytes = COMPLETED.encode()

    def check(self, body: Body) -> None:
        """`input` may be missing: a prompt template, an earlier response or a conversation can stand for it."""
        check_model(body)
        check_stream(body)
        if not isinstance(body.get("input"), str | list | None):
            raise bad_request("input must be a text or a list", "input")

    def streamed(self, body: Body) -> bool:
        return body.get("stream") is True

    def repeatable(self, body: Body) -> bool:
        """Not where the request changes what it is asked about, or is answered elsewhere.

        A conversation grows by every call. Of a background response only the id comes back, and what is asked later is
        its state. `previous_response_id` names a response that never changes, and `store` keeps one more: both are
        part of the key and no hindrance.
        """
        return all(body.get(name) in (None, False) for name in _NOT_REPEATED) and not any(map(_acts, _tools(body)))

    def kept_upstream(self, body: Body) -> bool:
        """Unless `store` is false: then nothing can go on from the answer, unless it is sent along."""
        return body.get("store") is not False or body.get("previous_response_id") is not None

    def answers(self, body: Body, payload: bytes, media_type: str) -> list[Answer]:
        answer = read_object(payload)
        try:
            orjson.dumps({"response": answer})
        except TypeError:
            raise Malformed("nested too deeply for an event") from None
        if not _speaks(answer):
            return []
        _check_containers(answer)
        return [Answer(payload, JSON, _tokens(answer))]

    def combine(self, body: Body, kept: Sequence[Answer]) -> tuple[bytes, str]:
        """The same bytes for the same entry each time."""
        one = kept[0]
        if one.media_type != SSE:
            return one.payload, one.media_type
        return orjson.dumps(orjson.loads(_last(one.payload))["response"]), JSON

    def assemble(self, stream: bytes, room: int) -> Answer | None:
        """As the protocol says: the stream up to its last event, or, where it is longer than `room`, the plain answer.

        What some servers send after that (`[DONE]`) may or may not be here by now, and means nothing.
        """
        events, length = _read(stream)
        answer = _whole(events)
        if not _speaks(answer):
            return None
        _check_containers(answer)
        _compare(events, answer)
        usage = _tokens(answer)
        if length <= room:
            return Answer(stream[:length], SSE, usage)
        return Answer(orjson.dumps(answer), JSON, usage)

    def complete(self, stream: bytes) -> bool:
        return well_formed(stream, lambda data: _whole(_read(data)[0]))

    def frames(self, kept: Answer, body: Body) -> bytes:
        """A stream as it came; a plain answer in as few events as tell it all."""
        return kept.payload if kept.media_type == SSE else written(orjson.loads(kept.payload))


def _tools(body: Body) -> Iterator[Body]:
    """The tools of a request, those that its input adds included."""
    items = body.get("input")
    for holder in (body, *(items if isinstance(items, list) else ())):
        tools = holder.get("tools") if isinstance(holder, dict) else None
        yield from (tool for tool in (tools if isinstance(tools, list) else ()) if isinstance(tool, dict))


def _acts(tool: Body) -> bool:
    """Whether a tool that the provider runs by itself does more than look something up.

    A remote MCP server may do anything, on behalf of the asker. A container that is named, not made for this answer,
    keeps the files that this answer writes, and those that others have written meanwhile.
    """
    return tool.get("type") == "mcp" or isinstance(tool.get("container"), str) or _in_container(tool)


def _in_container(one: Body) -> bool:
    """Whether a tool, or an item of the output, names a container."""
    environment = one.get("environment")
    holders = (one, environment) if isinstance(environment, dict) else (one,)
    return any(holder.get("container_id") is not None for holder in holders)


def _check_containers(answer: Body) -> None:
    """Raises Uncertain for an answer that was worked out in a container, even one made for it: that lives on for a
    while, what comes next goes on in it, and the files that are named go with it.
    """
    if any(map(_in_container, answer["output"])):
        raise Uncertain("an answer that goes on in a container")


def _tokens(answer: Body) -> Usage:
    return tokens(answer.get("usage"), "input_tokens", "output_tokens")


def _speaks(answer: Body) -> bool:
    """Whether there is anything in the answer. Raises Malformed for one that is none, and Unfinished for one that was
    cut short or goes on.
    """
    if answer.get("status") not in (None, "completed"):
        raise Unfinished("a status other than completed")
    output = answer.get("output")
    if not isinstance(output, list) or not all(isinstance(item, dict) for item in output):
        raise Malformed("output is not a list of objects")
    return any(map(_says, output))


def _says(item: Body) -> bool:
    """A message without words, and reasoning that tells none of it, say nothing; a call of any tool does."""
    if item.get("type") == "message":
        return _has_words(item.get("content"))
    if item.get("type") == "reasoning":
        return _has_words(item.get("summary")) or _has_words(item.get("content"))
    return True


def _has_words(parts: Any) -> bool:
    return not all(map(_is_blank, parts)) if isinstance(parts, list) else bool(parts)


def _is_blank(part: Any) -> bool:
    said = [part[name] for name in ("text", "refusal") if name in part] if isinstance(part, dict) else []
    return bool(said) and not any(said)


def _read(stream: bytes) -> tuple[list[Body], int]:
    """The events up to the completed one, and how many bytes those are. Raises Malformed for another end, and for more
    after the end than `[DONE]`.
    """
    return until(stream, COMPLETED, _event)


def _last(stream: bytes) -> bytes:
    """The data of the event that ends a kept stream, found from there: a stream is long, and its events are many."""
    blank = max(stream.rfind(ending, 0, -len(ending)) for ending in _BLANK_LINES)
    *_, last = (event.data for event in SseParser().feed(stream[max(blank, 0) :]) if event.data)
    return last


def _event(event: ServerSentEvent) -> Body:
    read = read_object(event.data)
    if event.event == b"error" or read.get("type") in _OTHER_ENDS:
        raise Malformed("an end without an answer")
    return read


def _whole(events: list[Body]) -> Body:
    """The answer in the last event. Raises Malformed."""
    answer = events[-1].get("response") if events and events[-1].get("type") == COMPLETED else None
    if not isinstance(answer, dict):
        raise Malformed("the end is missing")
    if answer.get("error") is not None:
        raise Malformed("an error in the answer")
    _speaks(answer)
    return answer


def _compare(events: list[Body], answer: Body) -> None:
    """Raises Uncertain where the last event does not say what the others said: some servers put only the last words
    into it, or none, and the plain answer would be another one.
    """
    items = answer["output"]
    texts = [part.get("text") for item in items for part in _parts(item) if part.get("type") == "output_text"]
    calls = [item.get("arguments") for item in items if item.get("type") == "function_call"]
    for kind, repeated in ((TEXT_DELTA, texts), (ARGUMENTS_DELTA, calls)):
        if _told(events, kind) not in ("", _joined(repeated)):
            raise Uncertain("the last event does not repeat the others")


def _parts(item: Body) -> list[Body]:
    content = item.get("content") if item.get("type") == "message" else None
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _joined(texts: list[Any]) -> str:
    return "".join(text for text in texts if isinstance(text, str))


def _told(events: list[Body], kind: str) -> str:
    """All deltas of a kind, those of one part after those of another, whichever came first."""
    pieces: dict[tuple[int, int], list[Any]] = {}
    for event in events:
        if event.get("type") == kind:
            place = (_index(event, "output_index"), _index(event, "content_index"))
            pieces.setdefault(place, []).append(event.get("delta"))
    return "".join(_joined(pieces[place]) for place in sorted(pieces))


def _index(event: Body, name: str) -> int:
    index = event.get(name)
    return index if isinstance(index, int) else 0


RESPONSES: Final = Responses()
