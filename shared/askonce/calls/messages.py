"""Messages: Anthropic's own API, plain and streamed.

A stream is kept as it came while it fits, and is replayed to the byte; the plain answer is put together from it, and
must be certain. Source: Anthropic's API reference, "Create a Message" and "Errors", and "Streaming messages".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from askonce.calls.checks import check_model, check_stream
from askonce.calls.endpoint import Answer, Body, Malformed, Uncertain, Unfinished
from askonce.calls.messages_json import exact, written
from askonce.calls.messages_read import END, assembled, ended, read
from askonce.calls.messages_write import framed
from askonce.calls.parsing import anthropic_tokens, read_object
from askonce.calls.usual import UsualEndpoint
from askonce.core.entry import JSON, SSE, Usage
from askonce.core.errors import bad_request

# Source: Anthropic's API reference, "Errors".
_ERRORS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}


@dataclass(frozen=True, slots=True)
class Messages(UsualEndpoint):
    name: str = "anthropic_messages"
    path: str = "/messages"
    paths: tuple[str, ...] = ("/v1/messages", "/messages", "/anthropic/v1/messages")
    headers: tuple[str, ...] = ("anthropic-version", "anthropic-beta")
    whole_in_stream: bool = True
    terminal: bytes = END.encode()

    def check(self, body: Body) -> None:
        check_model(body)
        check_stream(body)
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
            raise bad_request("messages must be a list of messages, at least one", "messages")

    def streamed(self, body: Body) -> bool:
        return body.get("stream") is True

    def repeatable(self, body: Body) -> bool:
        """Not where the answer hangs on what the provider holds and others change meanwhile (a container, by its id; a
        thread), nor where asking does something elsewhere (the tools of MCP servers).
        """
        container = body.get("container")
        held = container.get("id") if isinstance(container, dict) else container
        return held is None and body.get("thread") is None and not body.get("mcp_servers")

    def answers(self, body: Body, payload: bytes, media_type: str) -> list[Answer]:
        message = read_object(payload)
        return [Answer(payload, JSON, _tokens(message))] if _speaks(message) else []

    def combine(self, body: Body, kept: Sequence[Answer]) -> tuple[bytes, str]:
        """Of a kept stream the message that it tells, written alike each time."""
        [one] = kept
        return (written(assembled(read(one.payload).events)), JSON) if one.media_type == SSE else (one.payload, JSON)

    def assemble(self, stream: bytes, room: int) -> Answer | None:
        """As the protocol says; a stream that is longer than `room` is replayed as fewer events."""
        told = read(stream)
        message = assembled(told.events)
        if not _speaks(message):
            return None
        if told.length <= room:
            return Answer(stream[: told.length], SSE, _tokens(message))
        return Answer(written(message), JSON, _tokens(message))

    def complete(self, stream: bytes) -> bool:
        try:
            return ended(read(stream).events)
        except (Malformed, Uncertain):
            return False

    def frames(self, kept: Answer, body: Body) -> bytes:
        if kept.media_type == SSE:
            return kept.payload
        return framed(exact(orjson.loads(kept.payload), kept.payload))

    def refusal(self, error: Body, status: int) -> Body:
        """Anthropic's shape, with what OpenAI's has beside it: clients of both are led here by a base URL."""
        return {"type": "error", "error": {**error, "type": _ERRORS.get(status, "api_error")}}


def _speaks(message: Body) -> bool:
    """Whether there is anything in the message. Raises Malformed where it is none, Unfinished where it has not ended.

    A turn that was paused (`pause_turn`) is an answer like any other: all that is needed to go on is in it, and goes
    up with the next request. One that names a container is not: the container lives at the provider, for a while,
    and two clients that go on in it meet what the other did there. Raises Uncertain for it.
    """
    content = message.get("content")
    if message.get("type", "message") != "message" or not isinstance(content, list):
        raise Malformed("not a message")
    if not all(isinstance(block, dict) for block in content):
        raise Malformed("a block that is no object")
    if not isinstance(message.get("stop_reason"), str):
        raise Unfinished("a message that has not ended")
    if message.get("container") is not None:
        raise Uncertain("a message that goes on in a container")
    return any(block.get("type") != "text" or block.get("text") not in (None, "") for block in content)


def _tokens(message: Body) -> Usage:
    return anthropic_tokens(message.get("usage"))


MESSAGES: Final = Messages()
