"""What models in this process have in common: a tokenizer, small JSON files, a name, the form of a vector.

Imports an extra (`local-embedder`), and so only where a local model is wanted.
"""

import re
from collections.abc import Sequence
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from tokenizers import Tokenizer

from askonce.core.errors import EmbedderUnavailable
from askonce.frontend.embedders.protocol import Unusable

Numbers = npt.NDArray[np.float32]


class Tokens:
    """Texts as numbers of words and parts of words."""

    def __init__(self, path: Path, *, special: bool) -> None:
        """`special`: with the marks that a model wants around a text. Raises Unusable."""
        described = read_json(path)
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception:  # noqa: BLE001 - the library raises nothing more special
            raise Unusable(f"{path.name} is no tokenizer that can be read") from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._special = special
        self.number = self._tokenizer.get_vocab_size(with_added_tokens=True)
        self.longest: int | None = _within(described, "truncation").get("max_length")
        model = _within(described, "model")
        word = model.get("unk_token")
        self._unknown = model.get("unk_id") if word is None else self._tokenizer.token_to_id(word)

    def read(self, text: str) -> list[int] | None:
        """None for a text with nothing in it, or with a word or a sign that the model has no number for: all such are
        the same to it, so that two questions which differ only there would get one vector.
        """
        read = self._tokenizer.encode(text, add_special_tokens=self._special)
        numbers: list[int] = read.ids
        return None if self._unknown in numbers or 0 not in read.special_tokens_mask else numbers


def read_json(path: Path) -> dict[str, Any]:
    """Raises Unusable."""
    try:
        read = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        raise Unusable(f"{path.name} cannot be read as JSON") from None
    if not isinstance(read, dict):
        raise Unusable(f"{path.name} is no JSON object")
    return read


def _within(described: dict[str, Any], name: str) -> dict[str, Any]:
    found = described.get(name)
    return found if isinstance(found, dict) else {}


def space(name: str, files: Sequence[Path]) -> str:
    """The model's name and a digest of its files: another model in the same place is another space. Raises Unusable."""
    digest = sha256()
    for path in files:
        try:
            with path.open("rb") as file:
                digest.update(file_digest(file, "sha256").digest())
        except OSError:
            raise Unusable(f"{path.name} cannot be read") from None
    return f"local-{re.sub(r'[^A-Za-z0-9._-]+', '-', name)[:48]}-{digest.hexdigest()[:8]}"


def packed(vector: Numbers) -> bytes | None:
    """The vector as an Embedder gives it, of length one; None where it is all zero. Raises EmbedderUnavailable."""
    length = float(np.linalg.norm(vector))
    if vector.ndim != 1 or not np.isfinite(length):
        raise EmbedderUnavailable("the model gave something that is no vector")
    return (vector / length).astype("<f4").tobytes() if length else None
