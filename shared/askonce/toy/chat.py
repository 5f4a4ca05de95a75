"""Answers of `/v1/chat/completions` in the shapes of OpenAI's API reference, whole and as stream chunks. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

import orjson

from askonce.core.errors import bad_request
from askonce.toy.words import pieces, shortened, tokens

_FRAGMENT: Final = 6  # characters of a tool call's arguments in one chunk
_MOST_CHOICES: Final = 128


@dataclass(frozen=True, slots=True)
class Stamp:
    """What makes one answer differ from the next one to the same question. `created` is in seconds."""

    id: str
    created: int
    model: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Text, in the pieces it is streamed in; or the call of a tool, with its arguments as pieces."""

    pieces: list[str]
    finish: str
    tool: str | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def check(body: Mapping[str, Any]) -> None:
    """Raises RequestError (400), naming the field."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise bad_request("Invalid 'messages': expected a non-empty array.", "messages")
    for at, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise bad_request(f"Missing required parameter: 'messages[{at}].role'.", f"messages[{at}].role")
    check_common(body)


def check_common(body: Mapping[str, Any]) -> None:
    """What chat and text completions have in common."""
    n, stream = body.get("n"), body.get("stream")
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= _MOST_CHOICES):
        raise bad_request(f"Invalid 'n': expected an integer from 1 to {_MOST_CHOICES}.", "n")
    if stream is not None and not isinstance(stream, bool):
        raise bad_request("Invalid type for 'stream': expected a boolean.", "stream")
    if body.get("stream_options") is not None and stream is not True:
        raise bad_request("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")


def choices(body: Mapping[str, Any]) -> list[Choice]:
    """What the toy says to a request, the same each time."""
    question = _question(body["messages"])
    tool = _tool(body)
    if tool is not None:
        arguments = orjson.dumps(_arguments(tool, question)).decode()
        cut = [arguments[at : at + _FRAGMENT] for at in range(0, len(arguments), _FRAGMENT)]
        return [Choice(cut, "tool_calls", str(tool["name"]))] * (body.get("n") or 1)
    most = body.get("max_completion_tokens", body.get("max_tokens"))
    return [limited(pieces(question, body.get("seed"), at), most) for at in range(body.get("n") or 1)]


def limited(said: list[str], most: int | None) -> Choice:
    return Choice(said, "stop") if most is None or len(said) <= most else Choice(said[:most], "length")


def _question(messages: list[dict[str, Any]]) -> str:
    return " ".join(_text(message.get("content")) for message in messages if message["role"] in {"user", "tool"})


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(str(part.get("text", part.get("type"))) for part in parts if isinstance(part, dict))


def _tool(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The function to call, if any: the one that is asked for, or the first. A tool's result is answered in words."""
    wanted = body.get("tool_choice")
    functions: dict[str, dict[str, Any]] = {
        str(tool["function"].get("name")): tool["function"]
        for tool in body.get("tools") or []
        if isinstance(tool, dict) and isinstance(tool.get("function"), dict)
    }
    if not functions or wanted == "none" or body["messages"][-1]["role"] == "tool":
        return None
    name = wanted.get("function", {}).get("name") if isinstance(wanted, dict) else None
    return functions[name] if name in functions else next(iter(functions.values()))


def _arguments(function: dict[str, Any], question: str) -> dict[str, object]:
    values: dict[str, object] = {"integer": tokens(question), "number": tokens(question) / 2, "boolean": True}
    properties = (function.get("parameters") or {}).get("properties") or {}
    return {
        name: (schema.get("enum") or [values.get(str(schema.get("type")), shortened(question))])[0]
        for name, schema in properties.items()
        if isinstance(schema, dict)
    }


def usage(body: Mapping[str, Any], said: list[Choice]) -> dict[str, Any]:
    prompt = sum(tokens(_text(message.get("content"))) for message in body["messages"])
    completion = sum(len(choice.pieces) for choice in said)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def answer(body: Mapping[str, Any], said: list[Choice], stamp: Stamp) -> dict[str, Any]:
    written = []
    for at, choice in enumerate(said):
        message: dict[str, Any] = {"role": "assistant", "content": choice.text, "refusal": None, "annotations": []}
        if choice.tool is not None:
            message |= {"content": None, "tool_calls": [_call(choice.tool, choice.text, stamp, at)]}
        logprobs = _logprobs(body, choice.pieces) if choice.tool is None else None
        written.append({"index": at, "message": message, "logprobs": logprobs, "finish_reason": choice.finish})
    return {**_same(stamp, "chat.completion"), "choices": written, "usage": usage(body, said)}


def chunks(body: Mapping[str, Any], said: list[Choice], stamp: Stamp) -> Iterator[dict[str, Any]]:
    """The stream: its choices take turns, as they do where several are asked for."""
    for at, choice in enumerate(said):
        delta: dict[str, Any] = {"role": "assistant", "content": "", "refusal": None}
        if choice.tool is not None:
            delta |= {"content": None, "tool_calls": [{"index": 0, **_call(choice.tool, "", stamp, at)}]}
        yield _chunk(stamp, at, delta)
    for turn in zip_longest(*(choice.pieces for choice in said)):
        for at, piece in enumerate(turn):
            if piece is None:
                continue
            if said[at].tool is None:
                yield _chunk(stamp, at, {"content": piece}, logprobs=_logprobs(body, [piece]))
            else:
                yield _chunk(stamp, at, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    for at, choice in enumerate(said):
        yield _chunk(stamp, at, {}, finish=choice.finish)


def _chunk(
    stamp: Stamp, at: int, delta: dict[str, Any], finish: str | None = None, logprobs: dict[str, Any] | None = None
) -> dict[str, Any]:
    choice = {"index": at, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
    return {**_same(stamp, "chat.completion.chunk"), "choices": [choice]}


def _same(stamp: Stamp, kind: str) -> dict[str, Any]:
    return {
        "id": stamp.id,
        "object": kind,
        "created": stamp.created,
        "model": stamp.model,
        "service_tier": "default",
        "system_fingerprint": "fp_toy",
    }


def _call(name: str, arguments: str, stamp: Stamp, at: int) -> dict[str, Any]:
    number = stamp.id.rpartition("-")[2]
    return {"id": f"call_{number}_{at}", "type": "function", "function": {"name": name, "arguments": arguments}}


def _logprobs(body: Mapping[str, Any], said: list[str]) -> dict[str, Any] | None:
    if body.get("logprobs") is not True:
        return None
    content = []
    for piece in said:
        one = {"token": piece, "logprob": -len(piece) / 16, "bytes": list(piece.encode())}
        content.append({**one, "top_logprobs": [one] * (body.get("top_logprobs") or 0)})
    return {"content": content, "refusal": None}
