"""Answers of `/v1/responses` in the shapes of OpenAI's API reference, whole and as stream events. Pure.

What is said is what the toy's chat says to the same question. `reasoning` with a `summary` brings a reasoning item,
`background` an answer that is only queued, and too small a `max_output_tokens` one that is incomplete.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson

from askonce.core.errors import bad_request
from askonce.core.sse import frame
from askonce.toy import chat, scripts
from askonce.toy.chat import Choice, Stamp
from askonce.toy.kinds import Kind
from askonce.toy.words import shortened, tokens

Item = dict[str, Any]

_JSON: Final = "application/json"
_STREAM_ERROR: Final = "toy-stream-error"  # see `scripts`: here an error is an event of its own kind
_ECHOED: Final[Mapping[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
_PADDED: Final = 16  # characters: each delta is filled up, so that its length tells nothing


def check(body: Mapping[str, Any]) -> None:
    """Raises RequestError (400), naming the field."""
    said, stream = body.get("input"), body.get("stream")
    if said is None and not any(body.get(name) for name in ("prompt", "previous_response_id", "conversation")):
        raise bad_request("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    if not isinstance(said, str | None) and not (isinstance(said, list) and all(isinstance(one, dict) for one in said)):
        raise bad_request("Invalid type for 'input': expected a string or an array of objects.", "input")
    if stream is not None and not isinstance(stream, bool):
        raise bad_request("Invalid type for 'stream': expected a boolean.", "stream")


def answer(body: Mapping[str, Any], stamp: Stamp) -> tuple[bytes, str]:
    return orjson.dumps(_queued(body, stamp) if body.get("background") is True else _response(body, stamp)), _JSON


def events(body: Mapping[str, Any], stamp: Stamp) -> list[bytes]:
    told = list(_events(body, stamp))
    if stamp.model == _STREAM_ERROR:
        failed = {"code": stamp.model, "message": "The toy was asked to fail.", "param": None}
        told = [*told[: len(told) // 2], {"type": "error", **failed}]
    return [_frame(number, event) for number, event in enumerate(told)]


def _frame(number: int, event: Item) -> bytes:
    kind = str(event["type"])
    return b"event: " + kind.encode() + b"\n" + frame(orjson.dumps({"type": kind, "sequence_number": number, **event}))


def _as_chat(body: Mapping[str, Any]) -> Item:
    """The same question as a chat completion's body. What else decides the answer goes into the seed."""
    said = body.get("input") or ""
    messages = [_message(one) for one in said] if isinstance(said, list) else [{"role": "user", "content": said}]
    instructions = body.get("instructions")
    if instructions:
        messages.insert(0, {"role": "system", "content": instructions})
    functions = [tool for tool in body.get("tools") or () if isinstance(tool, dict) and tool.get("type") == "function"]
    wanted = body.get("tool_choice")
    return {
        "messages": messages or [{"role": "user", "content": ""}],
        "tools": [{"type": "function", "function": function} for function in functions],
        "tool_choice": {"function": wanted} if isinstance(wanted, dict) else wanted,
        "max_tokens": body.get("max_output_tokens"),
        "seed": (instructions, body.get("previous_response_id")),
    }


def _message(item: Item) -> Item:
    if item.get("type") == "function_call_output":
        return {"role": "tool", "content": item.get("output")}
    return {"role": item.get("role", "assistant"), "content": item.get("content")}


def _choices(body: Mapping[str, Any]) -> list[Choice]:
    """What is said: one thing, or nothing at all where the model's name asks for that."""
    return scripts.choices(str(body["model"]), chat.choices(_as_chat(body)))


def _response(body: Mapping[str, Any], stamp: Stamp) -> Item:
    said = _choices(body)
    cut = any(choice.finish == "length" for choice in said)
    return {
        **_begun(body, stamp),
        "status": "incomplete" if cut else "completed",
        "completed_at": None if cut else stamp.created,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": [item for item, _ in _items(body, said, stamp)],
        "usage": None if stamp.model == scripts.NO_USAGE else _usage(body, said),
    }


def _queued(body: Mapping[str, Any], stamp: Stamp) -> Item:
    return {**_begun(body, stamp), "status": "queued", "background": True}


def _begun(body: Mapping[str, Any], stamp: Stamp) -> Item:
    conversation = body.get("conversation")
    return {
        "id": f"resp_{_number(stamp)}",
        "object": "response",
        "created_at": stamp.created,
        "status": "in_progress",
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": stamp.model,
        "output": [],
        "usage": None,
        **{name: value if body.get(name) is None else body[name] for name, value in _ECHOED.items()},
        **({"conversation": {"id": conversation}} if isinstance(conversation, str) else {}),
    }


def _number(stamp: Stamp) -> str:
    return stamp.id.rpartition("-")[2]


def _items(body: Mapping[str, Any], said: list[Choice], stamp: Stamp) -> Iterator[tuple[Item, list[str]]]:
    """The items of the output, each with the pieces that it is streamed in."""
    number = _number(stamp)
    if said and (body.get("reasoning") or {}).get("summary"):
        words = f"Thinking about: {shortened(said[0].text)}"
        yield {"id": f"rs_{number}", "type": "reasoning", "summary": [_summary(words)]}, [words]
    for choice in said:
        if choice.tool is not None:
            call = {"name": choice.tool, "arguments": choice.text, "call_id": f"call_{number}"}
            yield {"id": f"fc_{number}", "type": "function_call", "status": "completed", **call}, choice.pieces
        else:
            status = "incomplete" if choice.finish == "length" else "completed"
            head = {"id": f"msg_{number}", "type": "message", "status": status, "role": "assistant"}
            yield {**head, "content": [_part(choice.text)]}, choice.pieces


def _part(words: str) -> Item:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": words}


def _summary(words: str) -> Item:
    return {"type": "summary_text", "text": words}


def _usage(body: Mapping[str, Any], said: list[Choice]) -> Item:
    counted = chat.usage(_as_chat(body), said)
    thought = tokens(said[0].text) if said and (body.get("reasoning") or {}).get("summary") else 0
    return {
        "input_tokens": counted["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": counted["completion_tokens"] + thought,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": counted["total_tokens"] + thought,
    }


def _events(body: Mapping[str, Any], stamp: Stamp) -> Iterator[Item]:
    begun, ended = _begun(body, stamp), _response(body, stamp)
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    shown = (body.get("stream_options") or {}).get("include_obfuscation") is False
    for position, (item, pieces) in enumerate(_items(body, _choices(body), stamp)):
        where = {"output_index": position}
        started = {**item, **_EMPTY[item["type"]], **({"status": "in_progress"} if "status" in item else {})}
        yield {"type": "response.output_item.added", **where, "item": started}
        for event in _TELLING[item["type"]](item, pieces):
            padding = {} if shown or "delta" not in event else {"obfuscation": "x" * (-len(event["delta"]) % _PADDED)}
            yield {"item_id": item["id"], **where, **event, **padding}
        yield {"type": "response.output_item.done", **where, "item": item}
    yield {"type": f"response.{ended['status']}", "response": ended}


def _tell_message(item: Item, pieces: list[str]) -> Iterator[Item]:
    [part] = item["content"]
    where = {"content_index": 0}
    yield {"type": "response.content_part.added", **where, "part": _part("")}
    for piece in pieces:
        yield {"type": "response.output_text.delta", **where, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **where, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **where, "part": part}


def _tell_call(item: Item, pieces: list[str]) -> Iterator[Item]:
    for piece in pieces:
        yield {"type": "response.function_call_arguments.delta", "delta": piece}
    yield {"type": "response.function_call_arguments.done", "name": item["name"], "arguments": item["arguments"]}


def _tell_reasoning(item: Item, pieces: list[str]) -> Iterator[Item]:
    [part] = item["summary"]
    where = {"summary_index": 0}
    yield {"type": "response.reasoning_summary_part.added", **where, "part": _summary("")}
    for piece in pieces:
        yield {"type": "response.reasoning_summary_text.delta", **where, "delta": piece}
    yield {"type": "response.reasoning_summary_text.done", **where, "text": part["text"]}
    yield {"type": "response.reasoning_summary_part.done", **where, "part": part}


_EMPTY: Final[Mapping[str, Item]] = {
    "message": {"content": []},
    "function_call": {"arguments": ""},
    "reasoning": {"summary": []},
}
_TELLING: Final[Mapping[str, Callable[[Item, list[str]], Iterator[Item]]]] = {
    "message": _tell_message,
    "function_call": _tell_call,
    "reasoning": _tell_reasoning,
}

KIND: Final = Kind("/v1/responses", "resp", check, answer, events)
