"""What makes vectors of texts, whoever does it."""

from collections.abc import Sequence
from typing import Protocol


class Unusable(ValueError):
    """A local model that cannot be used. Its text says what was expected, without the name of the folder."""


class Embedder(Protocol):
    @property
    def space(self) -> str:
        """The model's name in letters, digits and `._-`: part of what a collection of its vectors is called."""
        ...

    @property
    def texts(self) -> int:
        """How many texts are best handed over in one call."""
        ...

    @property
    def calls(self) -> int:
        """How many calls may be under way at once."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[bytes | None]:
        """The vectors in the order of the texts: packed little-endian float32, finite, not all zero, each of the same
        length.

        None stands for a text that the model cannot take whole. It is never cut off: two long texts that begin alike
        would get one vector. It also stands for a vector that is all zero. Raises EmbedderUnavailable; bounds its own
        time.
        """
        ...

    async def close(self) -> None: ...
