"""Vectors of texts from the project's own local embedders, and how alike two of them are."""

import asyncio
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from askonce.frontend.embedders.open import open_local
from askonce.frontend.embedders.protocol import Embedder, Unusable
from benchmarks.semantic.pairs import Missing, Pair

Vectors = dict[str, npt.NDArray[np.float32] | None]


def local(name: str) -> Embedder:
    """What `local/<name>` is in a config file. Raises Missing."""
    try:
        return open_local(name)
    except Unusable as error:
        raise Missing(f"{name}: {error}") from None
    except ImportError:
        raise Missing("a local model's packages are not there: run `make setup`") from None


async def similarities(embedder: Embedder, pairs: Iterable[Pair]) -> dict[str, float]:
    """The cosine of each pair by its name; 0 where the model cannot take a text, which is then matched exactly only."""
    vectors: Vectors = {}
    for text in {text for pair in pairs for text in (pair.asked, pair.kept)}:
        (packed,) = await embedder.embed([text])
        vectors[text] = None if packed is None else np.frombuffer(packed, "<f4")
    return {pair.name: _cosine(vectors, pair) for pair in pairs}


def measured(embedder: Embedder, pairs: Iterable[Pair]) -> dict[str, float]:
    async def run() -> dict[str, float]:
        try:
            return await similarities(embedder, list(pairs))
        finally:
            await embedder.close()

    return asyncio.run(run())


def _cosine(vectors: Vectors, pair: Pair) -> float:
    one, two = vectors[pair.asked], vectors[pair.kept]
    return 0.0 if one is None or two is None else float(one @ two)
