"""JSON with its integers whole. orjson makes a float of one beyond 64 bits, and refuses to write one; a tool may well
be called with it (an amount in wei, the number of an account).
"""

import json
import re
from typing import Any, Final

import orjson

_LONG: Final = re.compile(rb"\d{19}")  # 2**63 has as many digits


def exact(read: Any, data: bytes) -> Any:
    """What orjson `read` from `data`, with the integers that stand there. orjson must have read it first: the other
    reader takes NaN, and numbers beyond all doubles.
    """
    return json.loads(data) if _LONG.search(data) else read


def written(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # such an integer, or the levels of a tool's input below those of its message
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
