"""Answers of `/v1/messages` in the shapes of Anthropic's API reference, whole and as stream events. Pure.

What is said is what the toy's chat says to the same question. With `thinking` it thinks first, in a few words.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
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
_REASONS: Final = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def check(body: Mapping[str, Any]) -> None:
    """Raises RequestError (400), naming the field."""
    messages, most, stream = body.get("messages"), body.get("max_tokens"), body.get("stream")
    if not isinstance(messages, list) or not messages:
        raise bad_request("messages: at least one message is required", "messages")
    for at, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in {"user", "assistant"}:
            raise bad_request(f"messages.{at}.role: Input should be 'user' or 'assistant'", f"messages.{at}.role")
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise bad_request("max_tokens: Input should be a whole number, 1 or more", "max_tokens")
    if stream is not None and not isinstance(stream, bool):
        raise bad_request("stream: Input should be a valid boolean", "stream")


def answer(body: Mapping[str, Any], stamp: Stamp) -> tuple[bytes, str]:
    return orjson.dumps(_message(body, stamp, _choice(body))), _JSON


def events(body: Mapping[str, Any], stamp: Stamp) -> list[bytes]:
    told = list(_events(body, stamp))
    if stamp.model == _STREAM_ERROR:
        failed = {"type": "overloaded_error", "message": "The toy was asked to fail."}
        told = [*told[: len(told) // 2], {"type": "error", "error": failed}]
    return [b"event: " + str(event["type"]).encode() + b"\n" + frame(orjson.dumps(event)) for event in told]


def _events(body: Mapping[str, Any], stamp: Stamp) -> Iterator[Item]:
    said = _choice(body)
    message = _message(body, stamp, said)
    usage = message["usage"]
    opening = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    if stamp.model == scripts.NO_USAGE:
        del opening["usage"]
    yield {"type": "message_start", "message": opening}
    for index, block in enumerate(message["content"]):
        start, deltas = _taken_apart(block, said)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        if index == 0:
            yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ending: Item = {"type": "message_delta", "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None}}
    yield ending if stamp.model == scripts.NO_USAGE else {**ending, "usage": {"output_tokens": usage["output_tokens"]}}
    yield {"type": "message_stop"}


def _taken_apart(block: Item, said: Choice | None) -> tuple[Item, list[Item]]:
    """A block as it is opened, and all that is said in it, piece by piece."""
    pieces = [] if said is None else said.pieces
    if block["type"] == "thinking":
        thought = [f"{word} " for word in block["thinking"].split(" ")]
        thought[-1] = thought[-1].rstrip()
        deltas = [{"type": "thinking_delta", "thinking": word} for word in thought]
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*deltas, signed]
    if block["type"] == "tool_use":
        inputs = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *pieces)]
        return {**block, "input": {}}, inputs
    return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]


def _message(body: Mapping[str, Any], stamp: Stamp, said: Choice | None) -> Item:
    thought = _thought(body) if said is not None else None
    content: list[Item] = [] if thought is None else [thought]
    number = stamp.id.rpartition("-")[2]
    if said is not None and said.tool is not None:
        content.append(
            {"type": "tool_use", "id": f"toolu_{number}", "name": said.tool, "input": orjson.loads(said.text)}
        )
    elif said is not None:
        content.append({"type": "text", "text": said.text})
    spoken = 0 if said is None else len(said.pieces)
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": stamp.model,
        "content": content,
        "stop_reason": _REASONS["stop" if said is None else said.finish],
        "stop_sequence": None,
        "usage": {
            "input_tokens": _asked(body),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": spoken + (0 if thought is None else tokens(thought["thinking"])),
            "service_tier": "standard",
        },
    }


def _thought(body: Mapping[str, Any]) -> Item | None:
    """What is thought first, and a signature that stands for it."""
    thinking = body.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") not in {"enabled", "adaptive"}:
        return None
    thought = f"They ask: {shortened(_words(body['messages'][-1].get('content')))}"
    signature = base64.b64encode(hashlib.sha256(thought.encode()).digest()).decode()
    return {"type": "thinking", "thinking": thought, "signature": signature}


def _choice(body: Mapping[str, Any]) -> Choice | None:
    """What is said: one thing, or nothing at all where the model's name asks for that."""
    return next(iter(scripts.choices(str(body["model"]), chat.choices(_as_chat(body)))), None)


def _as_chat(body: Mapping[str, Any]) -> Item:
    """The same question as a chat completion's body. What else decides the answer goes into the seed."""
    tools = [tool for tool in body.get("tools") or () if isinstance(tool, dict) and "input_schema" in tool]
    wanted = body.get("tool_choice")
    named = wanted if isinstance(wanted, dict) and wanted.get("type") == "tool" else None
    off = isinstance(wanted, dict) and wanted.get("type") == "none"
    return {
        "messages": [_turn(message) for message in body["messages"]],
        "tools": [
            {"type": "function", "function": {"name": tool.get("name"), "parameters": tool["input_schema"]}}
            for tool in tools
        ],
        "tool_choice": "none" if off else {"function": named or {}},
        "max_tokens": body["max_tokens"],
        "seed": _words(body.get("system")),
    }


def _turn(message: Item) -> Item:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    results = any(isinstance(part, dict) and part.get("type") == "tool_result" for part in parts)
    return {"role": "tool" if results else message["role"], "content": _words(content)}


def _words(content: object) -> str:
    """The text of a message, of a system prompt, of what a tool gave back. Other parts are named by their kind."""
    if isinstance(content, str):
        return content
    parts = [part for part in (content if isinstance(content, list) else []) if isinstance(part, dict)]
    return " ".join(str(part.get("text") or _words(part.get("content")) or part.get("type")) for part in parts)


def _asked(body: Mapping[str, Any]) -> int:
    return tokens(_words(body.get("system"))) + sum(tokens(_words(one.get("content"))) for one in body["messages"])


KIND: Final = Kind("/v1/messages", "msg", check, answer, events)
