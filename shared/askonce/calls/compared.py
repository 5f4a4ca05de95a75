"""What of a chat is compared by meaning: the last user text. All else is a filter, and must be equal.

Where an answer hangs on more than words (tools, images, audio, what a tool gave back) nothing is compared, and only
the exact key answers. Source of the members: OpenAI's API reference, "Create chat completion".
"""

from typing import Any, Final

from askonce.calls.endpoint import Body, Compared

_ROLES: Final = frozenset({"system", "developer", "user", "assistant"})
_TOOLS: Final = ("tools", "tool_choice", "functions", "function_call", "audio")
_QUOTING: Final = ("echo", "return_token_ids")
_CALLS: Final = ("tool_calls", "function_call", "audio", "tool_call_id")
_NOTHING: Final[tuple[object, ...]] = (None, [], {}, "none", "auto")


def last_user_text(body: Body) -> Compared | None:
    """The text of the last message of role `user`, and the body without it."""
    if beyond_words(body):
        return None
    messages = body["messages"]
    if not all(_is_plain(message) for message in messages):
        return None
    last = max((at for at, message in enumerate(messages) if message["role"] == "user"), default=None)
    if last is None:
        return None
    text = _words(messages[last]["content"])
    if not text.strip():
        return None
    # A null where the text was: no message that is taken here has one.
    rest = [*messages[:last], {**messages[last], "content": None}, *messages[last + 1 :]]
    return Compared(text, {**body, "messages": rest})


def beyond_words(body: Body) -> bool:
    """Whether more than words goes into the answer, or comes out of it, or the question comes back in it (`echo`, and
    vLLM's `prompt_logprobs` and `return_token_ids`). An empty `web_search_options` turns the search on.
    """
    if any(body.get(name) not in _NOTHING for name in _TOOLS) or any(body.get(name) for name in _QUOTING):
        return True
    if any(body.get(name) is not None for name in ("web_search_options", "prompt_logprobs")):
        return True
    return body.get("modalities") not in (None, [], ["text"])


def _is_plain(message: Body) -> bool:
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES or any(message.get(name) is not None for name in _CALLS):
        return False
    content = message.get("content")
    return isinstance(content, str) or (isinstance(content, list) and bool(content) and all(map(_is_text, content)))


def _is_text(part: Any) -> bool:
    """A part with further members (a mark for a provider's own cache, say) is left to the exact key."""
    return (
        isinstance(part, dict)
        and part.keys() == {"type", "text"}
        and part["type"] == "text"
        and isinstance(part["text"], str)
    )


def _words(content: str | list[Body]) -> str:
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content)
