"""A message of the Messages API as the events of its stream, each block said in as few as the API's clients take.

Source: Anthropic's documentation, "Streaming messages".
"""

from collections.abc import Iterator
from typing import Final

from askonce.calls.endpoint import Body
from askonce.calls.messages_json import written
from askonce.core.sse import frame

# What a message says only once it has ended: null in its message_start.
_AT_END: Final = ("stop_reason", "stop_sequence", "stop_details", "container")
_AFTER_DELTA: Final = "context_management"
# Counts that the message_delta tells. Those of the prompt are told by both ends, as Anthropic does.
_PROMPT: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_ANSWER: Final = ("output_tokens", "output_tokens_details", "server_tool_use", "iterations", "fallback_credit")


def framed(message: Body) -> bytes:
    """The whole stream."""
    return b"".join(_frame(event) for event in _events(message))


def _frame(event: Body) -> bytes:
    return b"event: " + str(event["type"]).encode() + b"\n" + frame(written(event))


def _events(message: Body) -> Iterator[Body]:
    yield {"type": "message_start", "message": _opening(message)}
    for index, block in enumerate(message["content"]):
        start, deltas = _taken_apart(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield _ending(message)
    yield {"type": "message_stop"}


def _opening(message: Body) -> Body:
    usage = {name: value for name, value in _usage(message).items() if name not in _ANSWER or value is None}
    blank: Body = {name: None for name in (*_AT_END, _AFTER_DELTA) if name in message}
    return {**message, **blank, "content": [], "usage": {**usage, "output_tokens": 0}}


def _ending(message: Body) -> Body:
    told = {name: message[name] for name in _AT_END if message.get(name) is not None}
    usage = _usage(message)
    event: Body = {
        "type": "message_delta",
        "delta": {"stop_reason": None, "stop_sequence": None, **told},
        "usage": {name: usage[name] for name in (*_PROMPT, *_ANSWER) if usage.get(name) is not None},
    }
    if message.get(_AFTER_DELTA) is not None:
        event[_AFTER_DELTA] = message[_AFTER_DELTA]
    return event


def _usage(message: Body) -> Body:
    """Both counts always: who reads a stream adds to them, and must not meet nothing."""
    usage = message.get("usage")
    return {"input_tokens": 0, "output_tokens": 0, **(usage if isinstance(usage, dict) else {})}


def _taken_apart(block: Body) -> tuple[Body, list[Body]]:
    """What a block is opened with, and the deltas that say the rest. Other kinds are said whole in their opening."""
    match block:
        case {"type": "text", "text": str(text)}:
            return _text(block, text)
        case {"type": "thinking", "thinking": str(thought)}:
            return _thinking(block, thought)
        case {"type": "tool_use" | "server_tool_use", "input": dict(given)}:
            # Also where it is empty: not every client takes none for an empty one.
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": written(given).decode()}]
        case _:
            return block, []


def _text(block: Body, text: str) -> tuple[Body, list[Body]]:
    citations = block.get("citations")
    deltas: list[Body] = [{"type": "text_delta", "text": text}] if text else []
    if not isinstance(citations, list) or not all(isinstance(one, dict) for one in citations):
        return {**block, "text": ""}, deltas
    deltas += [{"type": "citations_delta", "citation": one} for one in citations]
    return {**block, "text": "", "citations": []}, deltas


def _thinking(block: Body, thought: str) -> tuple[Body, list[Body]]:
    signature = block.get("signature")
    deltas: list[Body] = [{"type": "thinking_delta", "thinking": thought}] if thought else []
    if not isinstance(signature, str):
        return {**block, "thinking": ""}, deltas
    deltas += [{"type": "signature_delta", "signature": signature}] if signature else []
    return {**block, "thinking": "", "signature": ""}, deltas
