"""Names with stars in `model_name`, as LiteLLM's pattern router has them, and the stars of `model` that they fill.
Pure functions over text.

Source: LiteLLM's page on wildcard routing, and `pattern_match_deployments.py` of LiteLLM 1.109. What differs:
docs/decisions/0055.
"""

from collections.abc import Iterable
from itertools import pairwise, zip_longest
from typing import Final

STAR: Final = "*"


def stars(pattern: str, name: str) -> tuple[str, ...] | None:
    """What each star of the pattern stands for in the name, the first one taking the most; None where it does not fit.

    Takes no longer than the name is long: names are made by clients.
    """
    literals = pattern.split(STAR)
    first, last = literals[0], literals[-1]
    if len(literals) == 1:
        return () if name == pattern else None
    place = len(name) - len(last)
    if place < len(first) or not name.startswith(first) or not name.endswith(last):
        return None
    places = [place]
    for literal in reversed(literals[1:-1]):
        place = name.rfind(literal, len(first), place)
        if place < 0:
            return None
        places.append(place)
    begins = [0, *reversed(places)]
    spans = zip(literals, pairwise(begins), strict=False)
    return tuple(name[begin + len(literal) : end] for literal, (begin, end) in spans)


def filled(model: str, pattern: str, name: str, prefix: str) -> str:
    """The model's name there, its stars filled in order with what those of the pattern stand for in the client's name.

    Under the pattern `*`, and under a name without a star, they are filled with the client's whole name less the
    provider's `prefix`; where the pattern has more stars than the model, as in LiteLLM, that is the name there.
    """
    if STAR not in model:
        return model
    found = stars(pattern, name) or ()
    whole = name.removeprefix(prefix)
    if pattern == STAR or not found:
        found = (whole,)
    first, *literals = model.split(STAR)
    if len(found) > len(literals):
        return whole
    return first + "".join(star + literal for star, literal in zip_longest(found, literals, fillvalue=""))


def by_meaning(patterns: Iterable[str]) -> list[str]:
    """Those that say the most first: more characters beside the stars, then fewer stars, then as they came."""
    return sorted(patterns, key=lambda pattern: (-len(pattern.replace(STAR, "")), pattern.count(STAR)))
