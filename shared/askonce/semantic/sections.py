"""The sections of a file of rules, and what each of them holds."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

Sections = Mapping[str, Any]


class Shape(StrEnum):
    """What a section holds, told to whoever wrote another thing."""

    WORDS = "a list of words, or of lists of words"
    GROUPS = "a list of lists, each of two words or more"
    LISTS = "a mapping from a name to a list of words"
    TEXTS = "a mapping from a word to a text"
    NUMBERS = "a mapping from a word to a number, zero or more"


SECTIONS: Final[Mapping[str, Shape]] = {
    "disabled": Shape.WORDS,
    "limits": Shape.NUMBERS,
    "openers": Shape.WORDS,
    "closers": Shape.WORDS,
    "hesitations": Shape.WORDS,
    "contractions": Shape.TEXTS,
    "mentions": Shape.WORDS,
    "function_words": Shape.WORDS,
    "light_words": Shape.WORDS,
    "scope_words": Shape.WORDS,
    "negations": Shape.WORDS,
    "negative_prefixes": Shape.WORDS,
    "antonyms": Shape.GROUPS,
    "alternatives": Shape.LISTS,
    "synonyms": Shape.GROUPS,
    "forms": Shape.GROUPS,
    "unchanged": Shape.WORDS,
    "lookalikes": Shape.GROUPS,
    "particles": Shape.WORDS,
    "foreign": Shape.WORDS,
    "questions": Shape.LISTS,
    "questions_alike": Shape.GROUPS,
    "asked_with_what": Shape.LISTS,
    "subjects": Shape.WORDS,
    "modes": Shape.LISTS,
    "directions": Shape.WORDS,
    "opposite_directions": Shape.GROUPS,
    "agents": Shape.WORDS,
    "prepositions": Shape.WORDS,
    "joiners": Shape.WORDS,
    "articles": Shape.WORDS,
    "owners": Shape.LISTS,
    "persons": Shape.LISTS,
    "numbers": Shape.NUMBERS,
    "multipliers": Shape.NUMBERS,
    "units": Shape.LISTS,
    "months": Shape.LISTS,
    "weekdays": Shape.LISTS,
    "days": Shape.LISTS,
}
