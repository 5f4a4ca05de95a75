"""What things are called in Qdrant: collections, points, members of payloads. Knows no client.

Beside `<index>-exact`, which has the entries, stands a `<index>-<model>-<dimensions>` for each embedding model that was
in use, with the vectors.
"""

import re
import uuid
from hashlib import sha256
from typing import Final

from askonce.core.entry import Vector
from askonce.core.errors import ConfigError

# Of an exact entry: its frame in base64, its key, its `stored_at` as text, its home if that is known, and its end if it
# has one, in whole milliseconds. Of a vector: scope, key and end. No time is a fraction:
# Qdrant gives some back with another last digit.
ENTRY: Final = "entry"
KEY: Final = "key"
STORED_AT: Final = "stored_at"
HOME: Final = "home"
# What is filtered has names that nobody else's collection has: a sweep deletes by them.
EXPIRES_AT: Final = "askonce_expires_at"
SCOPE: Final = "askonce_scope"

_POINTS: Final = uuid.UUID("6f1e3c0a-53d5-5c3e-9d0c-2f7d9a4b8e11")
_LONGEST_INDEX: Final = 100  # characters; Qdrant takes 255 for the whole name
_LONGEST_SLUG: Final = 80
_INDEX: Final = re.compile(r'[^<>:"/\\|?*\x00-\x1f\x7f]+')
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")


class Names:
    """The names that belong to one index. Raises ConfigError for one that no collection can be called after."""

    def __init__(self, index: str) -> None:
        if len(index) > _LONGEST_INDEX or not _INDEX.fullmatch(index):
            expected = f'1 to {_LONGEST_INDEX} characters, none of < > : " / \\ | ? *'
            raise ConfigError("cache_params", "qdrant_collection_name", expected)
        self.exact: Final = f"{index}-exact"
        self._prefix = f"{index}-"
        self._vectors = re.compile(rf"{re.escape(index)}-.*-[0-9]+", re.DOTALL)
        # Of an index of its own: `shop` may delete by id in `shop-test-…` and hits nothing.
        self._points = uuid.uuid5(_POINTS, index)

    def vectors(self, vector: Vector) -> str:
        """The collection for vectors of this space and length. No two spaces share one."""
        return f"{self._prefix}{_slug(vector.space)}-{vector.dimensions}"

    def may_hold_vectors(self, collection: str) -> bool:
        """Whether it is called like one of this index; one of an index whose name begins with this one's may be too."""
        return self._vectors.fullmatch(collection) is not None

    def point(self, key: str) -> str:
        """The id of a written key's points: always the same, so that a repeat adds none."""
        return str(uuid.uuid5(self._points, key))


def _slug(space: str) -> str:
    plain = _UNSAFE.sub("-", space)[:_LONGEST_SLUG]
    return plain if plain == space else f"{plain}-{sha256(space.encode()).hexdigest()[:16]}"
