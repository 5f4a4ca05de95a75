"""An upstream answer, read: what it must be whatever the route, and what it says about tokens."""

from typing import Any, Final

import orjson

from askonce.calls.endpoint import Body, Malformed
from askonce.core.entry import Usage

_DEEPEST = 254  # levels that orjson writes; it reads more
_MOST_TOKENS = 2**53
# All three are tokens of the prompt: the first counts only those that no prompt cache of the provider's had to do with.
_ANTHROPIC: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


def read_object(data: bytes) -> Body:
    """One JSON object that is no error and that can be written again. Raises Malformed."""
    try:
        read = orjson.loads(data)
        if data.count(b"{") + data.count(b"[") > _DEEPEST:
            orjson.dumps(read)
    except orjson.JSONDecodeError:
        raise Malformed("not JSON") from None
    except TypeError:
        raise Malformed("nested too deeply") from None
    if not isinstance(read, dict):
        raise Malformed("not a JSON object")
    if read.get("error") is not None:
        raise Malformed("an error with status 200")
    return read


def tokens(usage: Any, prompt: str = "prompt_tokens", completion: str = "completion_tokens") -> Usage:
    """What a `usage` object counts under these names. Whatever is no count is none. What the provider read from a cache
    of its own is told in `prompt_tokens_details`, or `input_tokens_details`.
    """
    if not isinstance(usage, dict):
        return Usage()
    asked, details = _count(usage, prompt), usage.get(f"{prompt}_details")
    cached = _count(details, "cached_tokens") if isinstance(details, dict) else 0
    return Usage(asked, _count(usage, completion), min(cached, asked))


def anthropic_tokens(usage: Any) -> Usage:
    """The same of Anthropic's `usage`, which counts the prompt in three members."""
    fresh, written, cached = (tokens(usage, name, "output_tokens") for name in _ANTHROPIC)
    return Usage(fresh.prompt + written.prompt + cached.prompt, fresh.completion, cached.prompt)


def told_tokens(usage: Any) -> Usage:
    """The same whoever's the object is: by the names that are in it."""
    if not isinstance(usage, dict):
        return Usage()
    if "prompt_tokens" in usage:
        return tokens(usage)
    if any(name in usage for name in _ANTHROPIC[1:]):
        return anthropic_tokens(usage)
    return tokens(usage, "input_tokens", "output_tokens")


def _count(usage: Body, name: str) -> int:
    number = usage.get(name)
    return number if type(number) is int and 0 <= number < _MOST_TOKENS else 0
