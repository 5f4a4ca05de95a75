"""An upstream answer, read: what it must be whatever the route, and what it says about tokens."""

from typing import Any

import orjson

from askonce.calls.endpoint import Body, Malformed
from askonce.core.entry import Usage

_DEEPEST = 254  # levels that orjson writes; it reads more
_MOST_TOKENS = 2**53


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
    """What a `usage` object counts under these names. Whatever is no count is none."""
    return Usage(_count(usage, prompt), _count(usage, completion)) if isinstance(usage, dict) else Usage()


def _count(usage: Body, name: str) -> int:
    number = usage.get(name)
    return number if type(number) is int and 0 <= number < _MOST_TOKENS else 0
