"""Vectors from a table of words: a static model as model2vec writes it, such as potion. No network of neurons is run.

Imports an extra (`local-embedder`), and so only where a local model is wanted. Computes what model2vec 0.10 computes
for texts whose every word it knows (https://github.com/MinishLab/model2vec).
"""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from askonce.frontend.embedders.local import Tokens, packed, space
from askonce.frontend.embedders.protocol import Unusable

_TENSORS: Final = ("embeddings", "embedding.weight")  # as model2vec calls the table, and as sentence-transformers does
_TYPES: Final = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I8": "i1", "I32": "<i4", "I64": "<i8"}
_LARGEST_HEADER: Final = 100 << 20  # bytes, safetensors' own limit

Table = npt.NDArray[Any]


class Model2vec:
    """`name` is part of the space. Raises Unusable.

    A text is computed on the event loop: for a short one that takes 0.02 ms where a thread's hop costs 0.14 ms, and
    most of a long one (2,000 characters: 0.5 ms) is the tokenizer, which holds the interpreter anyway.
    """

    texts: Final = 1  # between two texts the loop turns to others
    calls: Final = 1

    def __init__(self, name: str, model: Path, tokenizer: Path) -> None:
        self.space: Final = space(name, [model, tokenizer])
        self._tokens = Tokens(tokenizer, special=False)
        tensors = _tensors(model)
        table = next((tensors[one] for one in _TENSORS if one in tensors), None)
        if table is None or table.ndim != 2:
            raise Unusable(f"{model.name} has no table called {' or '.join(_TENSORS)}")
        self._table = table
        # Where the vocabulary was quantized, several words share a row, each with a weight of its own.
        self._rows, self._weights = tensors.get("mapping"), tensors.get("weights")
        for words in (table if self._rows is None else self._rows, self._weights):
            if words is not None and len(words) < self._tokens.number:
                raise Unusable(f"{model.name} has fewer words than its {tokenizer.name}")
        if self._rows is not None and not 0 <= self._rows.min() <= self._rows.max() < len(table):
            raise Unusable(f"{model.name} maps words to rows that it does not have")

    async def embed(self, texts: Sequence[str]) -> list[bytes | None]:
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> bytes | None:
        tokens = self._tokens.read(text)
        if tokens is None:
            return None
        rows = self._table[tokens if self._rows is None else self._rows[tokens]]
        if self._weights is not None:
            rows = rows * self._weights[tokens][:, None]
        return packed(rows.mean(axis=0, dtype=np.float32))

    async def close(self) -> None:
        """Nothing is open: the file's pages are the system's."""


def _tensors(path: Path) -> dict[str, Table]:
    """The arrays of a safetensors file, mapped and not read: processes share them. Raises Unusable.

    Layout: https://huggingface.co/docs/safetensors, "Format": the header's length in 8 bytes, the header in JSON, data.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = orjson.loads(file.read(min(length, _LARGEST_HEADER)))
        header.pop("__metadata__", None)
        data = np.memmap(path, np.uint8, "r", offset=8 + length)
        return {name: _tensor(data, one) for name, one in header.items() if one["dtype"] in _TYPES}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, struct.error):
        raise Unusable(f"{path.name} is no safetensors file that can be read") from None


def _tensor(data: Table, described: dict[str, Any]) -> Table:
    start, end = described["data_offsets"]
    return data[start:end].view(_TYPES[described["dtype"]]).reshape(described["shape"])
