"""A response as the events that tell it: one for each that OpenAI sends, but every text in a single delta.

Whatever is of no known kind is told by its beginning and its end alone, both whole.
Source: OpenAI's API reference, "Responses", "Streaming events".
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson

from askonce.calls.endpoint import Body

COMPLETED: Final = "response.completed"
TEXT_DELTA: Final = "response.output_text.delta"
ARGUMENTS_DELTA: Final = "response.function_call_arguments.delta"

_Told = tuple[Body, list[Body]]
"""The members of an item as it begins, empty, and the events that fill them."""


def written(answer: Body) -> bytes:
    """The events of `answer`, which has a list of objects as `output`, as one stream."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps({**event, "sequence_number": number}))
        for number, event in enumerate(_events(answer))
    )


def _events(answer: Body) -> Iterator[Body]:
    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    if "completed_at" in begun:
        begun["completed_at"] = None
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for position, item in enumerate(answer["output"]):
        yield from _item(position, item)
    yield {"type": COMPLETED, "response": answer}


def _item(position: int, item: Body) -> Iterator[Body]:
    kind = item.get("type")
    tell = _KINDS.get(kind) if isinstance(kind, str) else None
    empty, told = ({}, []) if tell is None else tell(item)
    begun = {**item, **empty}
    if item.get("status") == "completed":
        begun["status"] = "in_progress"
    place = {"item_id": item.get("id") or "", "output_index": position}
    yield {"type": "response.output_item.added", "output_index": position, "item": begun}
    yield from ({"type": event["type"], **place, **event} for event in told)
    yield {"type": "response.output_item.done", "output_index": position, "item": item}


def _message(item: Body) -> _Told:
    parts = _objects(item.get("content"))
    return ({}, []) if parts is None else ({"content": []}, list(_contents(parts)))


def _reasoning(item: Body) -> _Told:
    empty: Body = {}
    told: list[Body] = []
    summary, content = _objects(item.get("summary")), _objects(item.get("content"))
    if summary is not None:
        empty["summary"] = []
        for index, part in enumerate(summary):
            told.extend({**event, "summary_index": index} for event in _summary(part))
    if content is not None:
        empty["content"] = []
        told.extend(_contents(content))
    return empty, told


def _written_out(member: str, event: str, *repeated: str) -> Callable[[Body], _Told]:
    """An item with one text that is written as it goes; its last event repeats some of the item's members."""

    def tell(item: Body) -> _Told:
        text = item.get(member)
        if not isinstance(text, str):
            return {}, []
        same = {name: item[name] for name in repeated if name in item}
        done = {"type": f"{event}.done", **same, member: text}
        return {member: ""}, [*_delta(f"{event}.delta", text), done]

    return tell


def _contents(parts: list[Body]) -> Iterator[Body]:
    for index, part in enumerate(parts):
        yield from ({**event, "content_index": index} for event in _part(part))


def _part(part: Body) -> Iterator[Body]:
    """A part of an item's content."""
    empty, told = part, []
    text, refusal = part.get("text"), part.get("refusal")
    if part.get("type") == "output_text" and isinstance(text, str):
        empty = {**part, "text": ""} | {name: [] for name in ("annotations", "logprobs") if name in part}
        told = list(_output_text(part, text))
    elif part.get("type") == "refusal" and isinstance(refusal, str):
        empty = {**part, "refusal": ""}
        told = [*_delta("response.refusal.delta", refusal), {"type": "response.refusal.done", "refusal": refusal}]
    elif part.get("type") == "reasoning_text" and isinstance(text, str):
        empty = {**part, "text": ""}
        told = [*_delta("response.reasoning_text.delta", text), {"type": "response.reasoning_text.done", "text": text}]
    yield {"type": "response.content_part.added", "part": empty}
    yield from told
    yield {"type": "response.content_part.done", "part": part}


def _output_text(part: Body, text: str) -> Iterator[Body]:
    logprobs = {"logprobs": part.get("logprobs") or []}
    yield from ({**event, **logprobs} for event in _delta(TEXT_DELTA, text))
    annotations = part.get("annotations")
    if isinstance(annotations, list):
        for index, one in enumerate(annotations):
            yield {"type": "response.output_text.annotation.added", "annotation_index": index, "annotation": one}
    yield {"type": "response.output_text.done", "text": text, **logprobs}


def _summary(part: Body) -> Iterator[Body]:
    """A part of a reasoning's summary."""
    text = part.get("text")
    known = isinstance(text, str)
    yield {"type": "response.reasoning_summary_part.added", "part": {**part, "text": ""} if known else part}
    if isinstance(text, str):
        yield from _delta("response.reasoning_summary_text.delta", text)
        yield {"type": "response.reasoning_summary_text.done", "text": text}
    yield {"type": "response.reasoning_summary_part.done", "part": part}


def _delta(kind: str, text: str) -> list[Body]:
    return [{"type": kind, "delta": text}] if text else []


def _objects(parts: Any) -> list[Body] | None:
    return parts if isinstance(parts, list) and all(isinstance(part, dict) for part in parts) else None


_KINDS: Final[Mapping[str, Callable[[Body], _Told]]] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _written_out("arguments", "response.function_call_arguments", "name"),
    "custom_tool_call": _written_out("input", "response.custom_tool_call_input"),
}
