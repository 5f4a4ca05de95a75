"""Sections of words, made into rules that are fast to follow. Knows what a section is for; knows no word."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final

from askonce.semantic.doubts import Doubt
from askonce.semantic.rules import (
    YES_OR_NO,
    Courtesy,
    Limits,
    Numbers,
    Phrases,
    Places,
    Questions,
    Rules,
    Words,
    stem_of,
)
from askonce.semantic.sections import Sections

LIMITS: Final = tuple(limit.name for limit in fields(Limits))


def compiled(sections: Sections) -> Rules:
    """The rules. All sections must be there, each of its shape; words may be in any case."""
    return _Compiler(sections).rules()


class _Compiler:
    def __init__(self, sections: Sections) -> None:
        self._sections = sections
        self._unchanged = frozenset(self._words("unchanged"))
        self._roots = dict[str, str]()
        for root, *irregular in self._grouped("forms"):
            first = stem_of(root, self._unchanged, self._roots)
            self._roots.update({stem_of(word, self._unchanged, {}): first for word in irregular})

    def rules(self) -> Rules:
        limits = self._sections["limits"]
        questions = self._questions()
        numbers = self._numbers()
        return Rules(
            disabled=frozenset(map(Doubt, self._words("disabled"))),
            limits=Limits(**{name: float(limits[name]) for name in LIMITS}),
            courtesy=self._courtesy(),
            words=self._vocabulary(questions, numbers),
            questions=questions,
            places=self._places(),
            numbers=numbers,
        )

    def _courtesy(self) -> Courtesy:
        contractions = self._sections["contractions"]
        return Courtesy(
            openers=_phrases(words.split() for words in self._words("openers")),
            closers=_phrases(words.split()[::-1] for words in self._words("closers")),
            hesitations=frozenset(self._words("hesitations")),
            contractions={str(short).lower(): tuple(str(long).lower().split()) for short, long in contractions.items()},
            mentions=_phrases(words.split() for words in self._words("mentions")),
        )

    def _vocabulary(self, questions: Questions, numbers: Numbers) -> Words:
        function_words = frozenset(self._words("function_words"))
        functions = frozenset(map(self._term, function_words))
        light, scope = frozenset(self._terms("light_words")), frozenset(self._terms("scope_words"))
        negations = frozenset(self._terms("negations"))
        groups, opposites, lists = self._groups(), self._opposites(), self._lists_of_terms()
        terms = {*groups, *opposites, *lists, *light, *scope, *negations, *numbers.dates}
        lookalikes = {self._term(word) for group in self._grouped("lookalikes") for word in group}
        weak = functions | light
        hollow = {term for term in terms - scope if " " in term and weak.issuperset(term.split())}
        asking = {self._term(" ".join(phrase)) for phrase in questions.asked}
        return Words(
            function_words=function_words,
            functions=functions,
            light=light,
            hollow=frozenset((hollow | asking) - light),
            scope=scope,
            negations=negations,
            prefixes=tuple(self._words("negative_prefixes")),
            opposites=opposites,
            lists=lists,
            groups=groups,
            phrases=_phrases(term.split() for term in terms if " " in term),
            particles=frozenset(self._words("particles")),
            known=functions | {word for term in terms | lookalikes for word in term.split()},
            foreign=frozenset(self._words("foreign")),
            unchanged=self._unchanged,
            roots=self._roots,
            stems={word: self._term(word) for word in _all(self._sections)},
        )

    def _questions(self) -> Questions:
        asked = {tuple(phrase.split()): name for name, phrases in self._named("questions") for phrase in phrases}
        whether = {phrase for phrase, name in asked.items() if name == YES_OR_NO}
        asked = {phrase: name for phrase, name in asked.items() if phrase not in whether}
        modes = {tuple(phrase.split()): name for name, phrases in self._named("modes") for phrase in phrases}
        return Questions(
            phrases=_phrases(asked),
            asked=asked,
            openings=frozenset(word for phrase in whether for word in phrase),
            subjects=frozenset(self._words("subjects")),
            alike=frozenset(map(frozenset, self._grouped("questions_alike"))),
            nouns={self._term(word): name for name, words in self._named("asked_with_what") for word in words},
            mode_phrases=_phrases(modes),
            modes=modes,
        )

    def _places(self) -> Places:
        directions, agents = frozenset(self._words("directions")), frozenset(self._words("agents"))
        opposite = frozenset(map(frozenset, self._grouped("opposite_directions")))
        joiners = frozenset(self._words("joiners"))
        return Places(
            directions=directions,
            opposite=opposite,
            agents=agents,
            pointers=directions.union(agents, *opposite),
            leaders=joiners.union(self._words("prepositions")),
            joiners=joiners,
            articles=frozenset(self._words("articles")),
            owners={word: name for name, words in self._named("owners") for word in words},
            persons={word: name for name, words in self._named("persons") for word in words},
        )

    def _numbers(self) -> Numbers:
        dates = [*self._named("weekdays"), *self._named("days")]
        return Numbers(
            values=self._decimals("numbers"),
            multipliers=self._decimals("multipliers"),
            units={written: name or None for name, words in self._named("units") for written in words},
            months={written: name for name, words in self._named("months") for written in (name, *words)},
            dates={day: name for name, days in dates for one in (name, *days) for day in (one, self._term(one))},
        )

    def _groups(self) -> dict[str, frozenset[int]]:
        found: dict[str, set[int]] = {}
        for index, group in enumerate(self._grouped("synonyms")):
            for word in group:
                found.setdefault(self._term(word), set()).add(index)
        return {term: frozenset(groups) for term, groups in found.items()}

    def _opposites(self) -> dict[str, frozenset[str]]:
        """The first of a group is the opposite of each of the others."""
        found: dict[str, set[str]] = {}
        for first, *others in self._grouped("antonyms"):
            for other in others:
                one, two = self._term(first), self._term(other)
                found.setdefault(one, set()).add(two)
                found.setdefault(two, set()).add(one)
        return {term: frozenset(terms) for term, terms in found.items()}

    def _lists_of_terms(self) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for name, words in self._named("alternatives"):
            for word in words:
                found.setdefault(self._term(word), set()).add(name)
        return {term: frozenset(names) for term, names in found.items()}

    def _words(self, section: str) -> list[str]:
        return list(_flat(self._sections[section]))

    def _term(self, phrase: str) -> str:
        return " ".join(stem_of(word, self._unchanged, self._roots) for word in phrase.split())

    def _terms(self, section: str) -> Iterator[str]:
        return map(self._term, self._words(section))

    def _grouped(self, section: str) -> list[list[str]]:
        return [list(_flat(group)) for group in self._sections[section]]

    def _named(self, section: str) -> list[tuple[str, list[str]]]:
        return [(str(name).lower(), list(_flat(words))) for name, words in self._sections[section].items()]

    def _decimals(self, section: str) -> dict[str, Decimal]:
        return {str(word).lower(): Decimal(str(number)).normalize() for word, number in self._sections[section].items()}


def _flat(words: Iterable[Any]) -> Iterator[str]:
    for word in words:
        if isinstance(word, list):
            yield from _flat(word)
        else:
            yield str(word).lower()


def _all(entry: Any) -> Iterator[str]:
    """Every word there is, those of phrases one by one."""
    if isinstance(entry, Mapping):
        yield from _all([*entry.keys(), *entry.values()])
    elif isinstance(entry, list):
        for part in entry:
            yield from _all(part)
    else:
        yield from str(entry).lower().split()


def _phrases(phrases: Iterable[Iterable[str]]) -> Phrases:
    found: dict[str, set[tuple[str, ...]]] = {}
    for phrase in map(tuple, phrases):
        if phrase:
            found.setdefault(phrase[0], set()).add(phrase)
    return {first: tuple(sorted(same, key=lambda one: (-len(one), one))) for first, same in found.items()}
