"""A word without its endings. Knows English spelling; knows no word."""

from typing import Final

_VOWELS: Final = frozenset("aeiouy")
_NO_E: Final = frozenset("wxy")
_SHORTEST: Final = 3


def stem(word: str) -> str:
    """The part that the forms of a word share: "paying", "payments" and "pays" are all "pay".

    `word` is in lower case. What comes out need not be a word ("chang"), but is the same for all of its forms.
    """
    if len(word) <= _SHORTEST or not word.isascii():
        return word
    rest = _without_noun_ending(_singular(word))
    for ending in ("ing", "ed"):
        if rest.endswith(ending) and _is_verb(rest[: -len(ending)]):
            rest = _infinitive(rest[: -len(ending)])
            break
    else:
        if rest.endswith("ly") and len(rest) > 5:
            rest = rest[:-2]
    if rest.endswith("ize") and len(rest) > 5:
        rest = rest[:-3] + "ise"
    if rest.endswith("ll") and len(rest) > 5:
        rest = rest[:-1]
    return rest[:-1] if rest.endswith("e") and len(rest) > 5 else rest


def _singular(word: str) -> str:
    if not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "ches", "shes", "xes", "zes", "oes")):
        return word[:-2]
    return word[:-1]


def _without_noun_ending(word: str) -> str:
    """Of "application" it is "apply", of "payment" "pay"."""
    if word.endswith("ication"):
        return word[:-7] + "y" if len(word) > 9 else word
    for ending, left, put in (
        ("isation", 3, "ise"),
        ("ization", 3, "ise"),
        ("ation", 4, ""),
        ("ion", 4, ""),
        ("ment", 3, ""),
    ):
        if word.endswith(ending) and len(word) - len(ending) >= left:
            return _infinitive(word[: -len(ending)]) if not put else word[: -len(ending)] + put
    return word


def _infinitive(rest: str) -> str:
    """What "-ing" or "-ed" was put to: a doubled letter is single again, a lost "e" is back."""
    last = rest[-1]
    if len(rest) > 3 and last == rest[-2] and last not in "aeiouylsz":
        return rest[:-1]
    if rest.endswith("i") and len(rest) > 2:
        return rest[:-1] + "y"
    if last in "cvzu":
        return rest + "e"
    if last == "l" and len(rest) > 2 and rest[-2] not in _VOWELS and rest[-2] not in "lrw":
        return rest + "e"
    if last not in _VOWELS and last not in _NO_E and _syllables(rest) == 1 and rest[-2] in _VOWELS:
        before = rest[-3] if len(rest) > 2 else ""
        if before not in _VOWELS or before == "":
            return rest + "e"
    return rest


def _is_verb(rest: str) -> bool:
    """So is "us" of "using" and "pay" of "paying", but neither "ne" of "need" nor "str" of "string"."""
    return (len(rest) > 2 and any(letter in _VOWELS for letter in rest)) or (len(rest) == 2 and rest[0] in "au")


def _syllables(rest: str) -> int:
    return sum(here in _VOWELS and before not in _VOWELS for before, here in zip(" " + rest, rest, strict=False))
