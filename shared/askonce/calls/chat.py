"""Chat completions: what a message is made of, whole and in pieces.

Source: OpenAI's API reference, "The chat completion object" and "The chat completion chunk object"; the members for
reasoning are those of vLLM, DeepSeek, OpenRouter and LiteLLM.
"""

from typing import Any, Final

from askonce.calls.chunked import Chunked, Form
from askonce.calls.compared import last_user_text
from askonce.calls.deltas import base64, extended, indexed, members, text
from askonce.calls.endpoint import Body, Malformed, Uncertain
from askonce.core.errors import bad_request

# What a client should see before the answer itself.
_REASONING: Final = ("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks")
_SAYING: Final = (*_REASONING, "content", "refusal", "tool_calls", "function_call", "audio", "images")
_NOTHING: Final[tuple[object, ...]] = (None, "", [], {})

_FUNCTION = members({"arguments": text})
_TOOL_CALL = members({"function": _FUNCTION, "custom": members({"input": text})}, dropped="index")
_DELTA = members(
    {
        "content": text,
        "refusal": text,
        "reasoning_content": text,
        "reasoning": text,
        "reasoning_details": indexed(members({"text": text, "summary": text})),
        "tool_calls": indexed(_TOOL_CALL),
        "function_call": _FUNCTION,
        "audio": members({"data": base64, "transcript": text}),
    }
)
_CHOICE = members({"delta": _DELTA, "logprobs": members({"content": extended, "refusal": extended})})


def _check(body: Body) -> None:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise bad_request("messages must be a list of messages, at least one", "messages")


def _fold(values: list[Any]) -> Any:
    """A choice out of its chunks: `delta` has become `message`."""
    choice = _CHOICE(values)
    if "message" in choice:
        raise Uncertain("message: a whole message in a stream")
    return {"message" if name == "delta" else name: value for name, value in choice.items()}


def _speaks(choice: Body) -> bool:
    message = choice.get("message")
    if not isinstance(message, dict):
        raise Malformed("a choice without a message")
    return any(message.get(name) not in _NOTHING for name in _SAYING)


def _pieces(choice: Body) -> list[Body]:
    """The role and all that is empty first, then one chunk for each member, then the finish_reason.

    Each member travels by itself because clients look at one after another: "reasoning, or else content".
    """
    message = choice["message"]
    opening = {name: _start(name, value) for name, value in message.items() if _starts(name, value)}
    loud = [name for name, value in message.items() if name != "role" and value not in _NOTHING]
    loud.sort(key=lambda name: (name not in _REASONING, name == "tool_calls"))
    scored = next((name for name in ("content", "refusal") if name in loud), None)
    pieces = [_piece(choice, opening, scored=False)]
    pieces.extend(_piece(choice, {name: _streamed(name, message[name])}, scored=name == scored) for name in loud)
    return [*pieces, _last(choice, scored=scored is None)]


def _starts(name: str, value: Any) -> bool:
    return name == "role" or value in _NOTHING or (name == "content" and isinstance(value, str))


def _start(name: str, value: Any) -> Any:
    return "" if name == "content" and value else value


def _streamed(name: str, value: Any) -> Any:
    if name != "tool_calls" or not isinstance(value, list) or not all(isinstance(call, dict) for call in value):
        return value
    return [{"index": position, **call} | {"index": position} for position, call in enumerate(value)]


def _piece(choice: Body, delta: Body, *, scored: bool) -> Body:
    """A chunk's choice before the last: `logprobs` stand beside the text that they are about."""
    given = {"index": choice["index"], "delta": delta}
    if "logprobs" in choice:
        given["logprobs"] = choice["logprobs"] if scored else None
    if "finish_reason" in choice:
        given["finish_reason"] = None
    return given


def _last(choice: Body, *, scored: bool) -> Body:
    given: Body = {}
    for name, value in choice.items():
        if name == "message":
            given["delta"] = {}
        else:
            given[name] = None if name == "logprobs" and not scored else value
    return given


CHAT: Final = Chunked(
    name="completion",
    path="/chat/completions",
    form=Form(
        whole="chat.completion",
        chunk="chat.completion.chunk",
        check=_check,
        fold=_fold,
        pieces=_pieces,
        speaks=_speaks,
        compared=last_user_text,
    ),
)
