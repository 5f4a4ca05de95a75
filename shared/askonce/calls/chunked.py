"""Routes whose answers hold `choices` and whose streams are chunks of them: chat and text completions.

Knows the envelope (head, choices, usage, `[DONE]`); what is inside a choice is told by a `Form`.
Source: OpenAI's API reference, "Chat Completions" and "Completions", streaming parts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from askonce.calls.checks import check_model, check_stream
from askonce.calls.deltas import Fold, counted, earliest, indexed, members, once
from askonce.calls.endpoint import Answer, Body, Compared, Malformed, Uncertain, Unfinished, usual
from askonce.calls.parsing import read_object, tokens
from askonce.calls.usual import UsualEndpoint
from askonce.core.entry import JSON, SSE
from askonce.core.sse import DONE, SseParser, frame

# Members that every chunk repeats. All others are sent once, with the first.
_HEAD: Final = frozenset({"id", "object", "created", "model", "service_tier", "system_fingerprint", "choices", "usage"})
# What DeepSeek and vLLM say where a server gave up in the middle.
_CUT_SHORT: Final = ("insufficient_system_resource", "abort")
_UNCLOSED: Final = (b"data: " + DONE, b"data:" + DONE)


@dataclass(frozen=True, slots=True)
class Form:
    """What tells one such route from another.

    `fold` makes a choice of its chunks; `pieces` makes chunks of a choice; `speaks` tells whether there is anything
    in it, and raises Malformed when it is no choice of this route; `compared` is the endpoint's.
    """

    whole: str  # the `object` of an answer
    chunk: str  # the `object` of a chunk
    check: Callable[[Body], None]
    fold: Fold
    pieces: Callable[[Body], list[Body]]
    speaks: Callable[[Body], bool]
    compared: Callable[[Body], Compared | None]


@dataclass(frozen=True, slots=True)
class Chunked(UsualEndpoint):
    name: str
    path: str
    form: Form
    comparable: bool = True

    @property
    def paths(self) -> tuple[str, ...]:
        return usual(self.path)

    def check(self, body: Body) -> None:
        check_model(body)
        check_stream(body)
        self.form.check(body)

    def streamed(self, body: Body) -> bool:
        return body.get("stream") is True

    def compared(self, body: Body) -> Compared | None:
        return self.form.compared(body)

    def answers(self, body: Body, payload: bytes, media_type: str) -> list[Answer]:
        answer = read_object(payload)
        return [Answer(payload, JSON, tokens(answer.get("usage")))] if self._speaks(answer) else []

    def assemble(self, stream: bytes, room: int) -> Answer | None:
        """As the protocol says. A stream without usage serves streams only, and is kept to the byte: what a plain
        answer would have counted is not known.
        """
        chunks, _ = _read(stream)
        folds = {
            "choices": indexed(self.form.fold),
            "object": self._object,
            "created": earliest,
            "usage": counted,
        }
        answer = members(folds, dropped="obfuscation")(chunks) or {}
        if not self._speaks(answer):
            return None
        if not isinstance(answer.get("usage"), dict):
            return Answer(_closed(stream), SSE, tokens(None))
        return Answer(orjson.dumps(answer), JSON, tokens(answer["usage"]))

    def complete(self, stream: bytes) -> bool:
        """`[DONE]` at the end, and a finish_reason for every choice.

        Some providers leave `[DONE]` out. Then only the usage event, which comes after all choices, is an end: with
        choices alone, another one may have been about to begin.
        """
        try:
            chunks, done = _read(stream)
        except (Malformed, Uncertain):
            return False
        finished: dict[str, bool] = {}
        for choice in (choice for chunk in chunks for choice in _choices(chunk)):
            index = str(choice.get("index"))
            finished[index] = finished.get(index, False) or choice.get("finish_reason") is not None
        return all(finished.values()) and (done or (bool(chunks) and _is_usage(chunks[-1])))

    def with_usage(self, body: Body) -> Body:
        if _wants_usage(body):
            return body
        return {**body, "stream_options": {**(body.get("stream_options") or {}), "include_usage": True}}

    def only_usage(self, data: bytes) -> bool:
        if b"[]" not in data or b'"usage"' not in data:
            return False
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            return False
        return isinstance(chunk, dict) and _is_usage(chunk)

    def frames(self, kept: Answer, body: Body) -> bytes:
        """One chunk for each member of a message. An answer that was kept as a stream is that stream, usage or not:
        it is kept so because it has none.
        """
        if kept.media_type == SSE:
            return kept.payload
        answer = orjson.loads(kept.payload)
        counting = _wants_usage(body) and answer.get("usage") is not None
        full = self._envelope(answer, counting=counting)
        bare = {name: value for name, value in full.items() if name in _HEAD}
        pieces = [
            piece for n, choice in enumerate(answer["choices"]) for piece in self.form.pieces({"index": n, **choice})
        ]
        chunks = [{**(bare if n else full), "choices": [piece]} for n, piece in enumerate(pieces)]
        if counting:
            chunks.append({**bare, "choices": [], "usage": answer["usage"]})
        return b"".join((*(frame(orjson.dumps(chunk)) for chunk in chunks), frame(DONE)))

    def _envelope(self, answer: Body, *, counting: bool) -> Body:
        """A chunk without choices: all the members that stand beside them. Usage, where asked for, is null so far."""
        envelope = {name: value for name, value in answer.items() if name != "usage"}
        if answer.get("object") == self.form.whole:
            envelope["object"] = self.form.chunk
        return {**envelope, "choices": [], **({"usage": None} if counting else {})}

    def _object(self, values: list[Any]) -> Any:
        name = once(values)
        return self.form.whole if name == self.form.chunk else name

    def _speaks(self, answer: Body) -> bool:
        """Whether there is anything in the answer. One that the provider's filter emptied says so, and counts."""
        choices = answer.get("choices")
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise Malformed("choices is not a list of objects")
        if any(choice.get("finish_reason") in _CUT_SHORT for choice in choices):
            raise Unfinished("a choice that was cut short")
        if any(choice.get("finish_reason") == "error" or choice.get("error") is not None for choice in choices):
            raise Malformed("an error in a choice")
        spoken = [self.form.speaks(choice) or choice.get("finish_reason") == "content_filter" for choice in choices]
        return any(spoken)


def _is_usage(chunk: Body) -> bool:
    return chunk.get("choices") == [] and chunk.get("usage") is not None


def _wants_usage(body: Body) -> bool:
    return (body.get("stream_options") or {}).get("include_usage") is True


def _read(stream: bytes) -> tuple[list[Body], bool]:
    """The chunks of a stream, and whether `[DONE]` closed it. Raises Malformed, Uncertain."""
    parser = SseParser()
    chunks: list[Body] = []
    done = False
    for event in parser.feed(stream):
        if event.event not in (b"", b"message"):
            raise Malformed("an error event") if event.event == b"error" else Uncertain("an unknown kind of event")
        if not event.data:
            continue
        if done:
            raise Uncertain("more after the end")
        if event.data == DONE:
            done = True
        else:
            chunks.append(read_object(event.data))
    rest = parser.rest.strip()
    if rest and (done or rest not in _UNCLOSED):
        raise Malformed("cut inside an event")
    return chunks, done or bool(rest)


def _closed(stream: bytes) -> bytes:
    """The stream with the blank line after `[DONE]` that some providers save."""
    parser = SseParser()
    parser.feed(stream)
    return stream + b"\n\n" if parser.rest.strip() else stream


def _choices(chunk: Body) -> Iterator[Body]:
    choices = chunk.get("choices")
    if isinstance(choices, list):
        yield from (choice for choice in choices if isinstance(choice, dict))
