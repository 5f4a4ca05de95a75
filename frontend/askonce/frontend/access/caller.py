"""Who asks, once let in, and what they may. Knows no request and no bucket."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from askonce.core.control import CacheControl, read_controls
from askonce.stores.counting.protocol import Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`admin`: by the master key, or where nobody needs one. `name` is the hash of a virtual key, 64 hex digits, and ""
    without one. `imprint` tells two callers apart whose same request may mean something else.
    """

    admin: bool = False
    name: str = ""
    imprint: str = ""

    def require(self, model: str) -> None:
        """Raises RequestError where the caller may not ask this model, by the name that it asks for."""

    def controls(self, body: Any, header: str) -> CacheControl:
        """What the cache is told: by the request's `cache` member and header, or by the key. Raises RequestError."""
        return read_controls(body, header)

    def claims(self, model: str) -> Sequence[Claim]:
        """What a request for the model counts under."""
        del model
        return ()


ADMIN = Caller(admin=True)
