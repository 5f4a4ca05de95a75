"""The labelled pairs of the PyPI package fow-cache, and the two halves they are split into.

The guard was developed on one half and is reported on the other. Its texts are nowhere in this repository.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from benchmarks.harness import ROOT

DATA = ROOT / ".venv/servers/fow_cache/data/pairs.jsonl"


class Half(StrEnum):
    DEVELOPMENT = "development"
    HELD_OUT = "held-out"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two questions; `same` where the answer to one answers the other too. `kind` is the package's category."""

    name: str
    kind: str
    asked: str = field(repr=False)  # a failing test must not show texts of the half that nobody looks at
    kept: str = field(repr=False)
    same: bool


class Missing(Exception):
    """What the benchmark needs and does not have, in words for whoever ran it."""


def load(path: Path = DATA) -> list[Pair]:
    """All pairs. Raises Missing."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        raise Missing(f"{path} is not there: run `make setup`") from None
    return [Pair(row["id"], row["category"], row["a"], row["b"], row["same_answer"]) for row in rows]


def split(pairs: Sequence[Pair]) -> dict[Half, list[Pair]]:
    """Both halves. Pairs that share a question, also through others, go to one half: which, is told by whether the last
    byte of the SHA-256 of the first of their questions in alphabetical order is even (development) or odd.
    """
    first = _first_questions(pairs)
    halves: dict[Half, list[Pair]] = {half: [] for half in Half}
    for pair in pairs:
        odd = sha256(first[pair.asked].encode()).digest()[-1] % 2
        halves[Half.HELD_OUT if odd else Half.DEVELOPMENT].append(pair)
    return halves


def _first_questions(pairs: Sequence[Pair]) -> dict[str, str]:
    """For each question the first in alphabetical order of all that are joined to it by pairs."""
    parent: dict[str, str] = {}

    def find(text: str) -> str:
        while (above := parent.setdefault(text, text)) != text:
            text = above
        return text

    for pair in pairs:
        one, two = find(pair.asked), find(pair.kept)
        parent[max(one, two)] = min(one, two)
    return {text: find(text) for text in parent}
