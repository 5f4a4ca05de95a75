"""What two readings do not share. Knows which words belong together; decides nothing."""

from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import Final

from askonce.semantic.reading import Reading
from askonce.semantic.rules import Rules
from askonce.semantic.spelling import is_misspelt

_MOST_LOOKED_AT: Final = 8  # words without a partner; where there are more, spelling is not what differs


class Differences:
    """`left` and `right` are the terms that only one text has, phrases and their words.

    `unmatched` are those of them that carry meaning and have no partner among the other text's, and `light` the same
    of light words; `common` counts what carries meaning in both. `shared` is how much of its words a text has in common
    with the other, from 0 to 1, and `rebuilt` whether both have more than one of their own. `repeats`: one says a word
    again that the other does not.
    """

    def __init__(self, one: Reading, two: Reading, rules: Rules) -> None:
        self._rules, words = rules, rules.words
        here, there = set(one.terms), set(two.terms)
        left, right = here - there, there - here
        said, others = set(one.stems), set(two.stems)
        self.shared = 2 * len(said & others) / max(1, len(said) + len(others))
        self.rebuilt = min(len(said - others), len(others - said)) > 1
        self.repeats = one.repeated != two.repeated
        self.left, self.right = _with_words(left) - there, _with_words(right) - here
        self.light = self._alone(left & words.light, right), self._alone(right & words.light, left)
        alone = self._alone(left & one.content, right), self._alone(right & two.content, left)
        self.unmatched = _as_one_word(*_well_spelt(*alone, one, two, rules), one, two)
        empty = words.functions | words.light | words.hollow
        self.common = min(
            len(terms - empty - alone) for terms, alone in zip((here, there), self.unmatched, strict=True)
        )

    def are_of_function_words(self) -> bool:
        return self._rules.words.functions.issuperset(self.left | self.right)

    def have_antonyms(self) -> bool:
        opposites = self._rules.words.opposites
        return any(not self.right.isdisjoint(opposites[term]) for term in self.left if term in opposites)

    def have_alternatives(self) -> bool:
        """Whether both texts have a word of a list whose words exclude one another, and not two that mean the same."""
        lists, groups = self._rules.words.lists, self._rules.words.groups
        none: frozenset[int] = frozenset()
        return any(
            lists[one] & lists[two] and groups.get(one, none).isdisjoint(groups.get(two, none))
            for one in self.left & lists.keys()
            for two in self.right & lists.keys()
        )

    def have_turned(self) -> bool:
        """Whether a word is turned round, as "lock" is to "unlock"."""
        return _turned(self.left, self.right, self._rules) or _turned(self.right, self.left, self._rules)

    def _alone(self, own: AbstractSet[str], others: AbstractSet[str]) -> set[str]:
        """The terms that stand in no group with one of the others; of a phrase, its words."""
        groups, none = self._rules.words.groups, frozenset[int]()
        words = _with_words(others)
        found = frozenset[int]().union(*(groups.get(term, none) for term in words))
        parts = {word for term in own if found.isdisjoint(groups.get(term, none)) for word in self._words(term)}
        return {term for term in parts - words if found.isdisjoint(groups.get(term, none))}

    def _words(self, term: str) -> list[str]:
        """The words of meaning in a phrase."""
        rules = self._rules
        words = term.split(" ")
        return (
            words
            if len(words) == 1
            else [w for w in words if w not in rules.words.light and w not in rules.words.functions]
        )


def _with_words(terms: AbstractSet[str]) -> set[str]:
    """The terms, and the words of those that are phrases."""
    return {*terms, *(word for term in terms if " " in term for word in term.split(" "))}


def _turned(terms: AbstractSet[str], others: AbstractSet[str], rules: Rules) -> bool:
    return any(prefix + term in others for term in terms - rules.words.functions for prefix in rules.words.prefixes)


def _well_spelt(left: set[str], right: set[str], one: Reading, two: Reading, rules: Rules) -> tuple[set[str], set[str]]:
    """Without words that the other text has in another spelling. Names are left as they are."""
    if not (left or right) or max(len(left), len(right)) > _MOST_LOOKED_AT:
        return left, right
    here, there = set(one.words) - set(two.words), set(two.words) - set(one.words)
    named = one.named | two.named
    slips = {
        term
        for word in here
        for other in there
        if is_misspelt(word, other, rules) and named.isdisjoint((rules.term(word), rules.term(other)))
        for term in (rules.term(word), rules.term(other))
    }
    return left - slips, right - slips


def _as_one_word(left: set[str], right: set[str], one: Reading, two: Reading) -> tuple[set[str], set[str]]:
    """Without what one text writes as one word, the other as two: "checkin" and "check-in"."""
    if not (left or right) or max(len(left), len(right)) > _MOST_LOOKED_AT:
        return left, right
    return _unjoined(left, one.words, two.words), _unjoined(right, two.words, one.words)


def _unjoined(terms: set[str], words: list[str], others: list[str]) -> set[str]:
    wholes = {one + two for one, two in pairwise(others)}
    parts = {part for one, two in pairwise(words) if one + two in others for part in (one, two)}
    return terms - wholes - parts
