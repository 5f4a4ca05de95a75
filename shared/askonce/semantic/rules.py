"""The guard's rules, ready for use: who reads the files is `askonce.config.rules`, who makes them this is `compile`."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from askonce.semantic.doubts import Doubt
from askonce.semantic.stems import stem

Phrases = Mapping[str, tuple[tuple[str, ...], ...]]  # by the first word: whole phrases, the longest first

YES_OR_NO: Final = "yes or no"  # names of the section `questions` that the guard knows
WHAT: Final = "what"
NOTHING: Final = "nothing"  # what a text asks for that is no question
ALLOWED: Final = "allowed"  # and one of the section `modes`


@dataclass(frozen=True, slots=True)
class Limits:
    reworded: float
    same_sentence: float
    unmatched_words: float
    most_words: float
    longest: float


@dataclass(frozen=True, slots=True)
class Courtesy:
    """What may be left out. `closers` are in reverse, from the last word on."""

    openers: Phrases
    closers: Phrases
    hesitations: frozenset[str]
    contractions: Mapping[str, tuple[str, ...]]
    mentions: Phrases


@dataclass(frozen=True, slots=True)
class Words:
    """`function_words` are words as written; all else are terms: stems of words, and of phrases with spaces between.

    `hollow` are question words, and phrases of function words and light words; `groups` and `lists` tell which words
    mean the same and which exclude one another; `known` are the words of all rules together.
    """

    function_words: frozenset[str]
    functions: frozenset[str]
    light: frozenset[str]
    hollow: frozenset[str]
    scope: frozenset[str]
    negations: frozenset[str]
    prefixes: tuple[str, ...]
    opposites: Mapping[str, frozenset[str]]
    lists: Mapping[str, frozenset[str]]
    groups: Mapping[str, frozenset[int]]
    phrases: Phrases
    particles: frozenset[str]
    known: frozenset[str]
    foreign: frozenset[str]
    unchanged: frozenset[str]
    roots: Mapping[str, str]
    stems: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Questions:
    """`asked` tells what a phrase asks for. `openings` are the verbs that begin a question of yes or no, `subjects` who
    may follow them. `nouns` are what "what" may go with: "what time" asks when. All are words as written but `nouns`.
    """

    phrases: Phrases
    asked: Mapping[tuple[str, ...], str]
    openings: frozenset[str]
    subjects: frozenset[str]
    alike: frozenset[frozenset[str]]
    nouns: Mapping[str, str]
    mode_phrases: Phrases
    modes: Mapping[tuple[str, ...], str]


@dataclass(frozen=True, slots=True)
class Places:
    """What tells who does what to whom, as words. `pointers` are all that have an object, `leaders` all whose object
    may stand elsewhere in the sentence.
    """

    directions: frozenset[str]
    opposite: frozenset[frozenset[str]]
    agents: frozenset[str]
    pointers: frozenset[str]
    leaders: frozenset[str]
    joiners: frozenset[str]
    articles: frozenset[str]
    owners: Mapping[str, str]
    persons: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Words as written; `dates` are terms too."""

    values: Mapping[str, Decimal]
    multipliers: Mapping[str, Decimal]
    units: Mapping[str, str | None]
    months: Mapping[str, str]
    dates: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rules:
    """All that the guard goes by. Words are in lower case."""

    disabled: frozenset[Doubt]
    limits: Limits
    courtesy: Courtesy
    words: Words
    questions: Questions
    places: Places
    numbers: Numbers

    def term(self, word: str) -> str:
        """A word's stem."""
        return self.words.stems.get(word) or stem_of(word, self.words.unchanged, self.words.roots)


def stem_of(word: str, unchanged: frozenset[str], roots: Mapping[str, str]) -> str:
    """Of an `unchanged` word only the ending of a plural is cut off; an irregular form has the stem of its root."""
    if word in unchanged:
        return word
    if word[-1:] == "s" and word[:-1] in unchanged:
        return word[:-1]
    regular = stem(word)
    return roots.get(regular, regular)


def matched(words: list[str], at: int, end: int, phrases: Phrases) -> int:
    """How many words the longest phrase has that begins at one of them and ends before `end`."""
    if at < end:
        for phrase in phrases.get(words[at], ()):
            if at + len(phrase) <= end and tuple(words[at : at + len(phrase)]) == phrase:
                return len(phrase)
    return 0
