"""Text and numbers that follow from their input alone, so that the toy provider always answers alike.

There is no language model in it, and no knowledge of any route.
"""

import hashlib
import re
from array import array
from collections.abc import Iterator
from math import sqrt
from typing import Final

_WORDS: Final = tuple(
    word
    for line in (
        "the answer is kept once and served to everyone who asks again so that nobody waits twice for what",
        "a model has already said while time and money stay where they belong and every reader gets these words",
    )
    for word in line.split()
)
_LENGTH: Final = 24
_WORD: Final = re.compile(r"\w+")


def pieces(question: str, *more: object) -> list[str]:
    """An answer to `question`, cut into its words; each but the last keeps the space behind it.

    `more` is whatever else changes the answer: a seed, the number of the choice.
    """
    dice = hashlib.sha256(repr((question, *more)).encode()).digest()
    opening = f"You asked: {shortened(question)} I say:".split()
    words = [*opening, *(_WORDS[byte % len(_WORDS)] for byte in dice[:_LENGTH])]
    return [f"{word} " for word in words[:-1]] + [f"{words[-1]}."]


def shortened(question: str) -> str:
    words = question.split()
    return " ".join(words[:8]) + ("…" if len(words) > 8 else "")


def tokens(text: str) -> int:
    """How many tokens the toy counts: its words."""
    return len(text.split())


def vector(text: str, dimensions: int) -> list[float]:
    """A vector of length one (within float32), each number of it exact as a float32."""
    return _of_length_one([byte - 127.5 for byte in _bytes(text, dimensions)])


def vector_by_words(text: str, dimensions: int) -> list[float]:
    """As `vector`, but the sum of its words' vectors: texts that share words are near each other, in whatever order."""
    summed = [0.0] * dimensions
    for word in _WORD.findall(text.lower()) or [text]:
        summed = [old + new for old, new in zip(summed, vector(word, dimensions), strict=True)]
    return _of_length_one(summed)


def _of_length_one(raw: list[float]) -> list[float]:
    length = sqrt(sum(number * number for number in raw))
    return array("f", [number / length for number in raw]).tolist()


def _bytes(text: str, count: int) -> Iterator[int]:
    return iter(hashlib.shake_128(text.encode()).digest(count))
