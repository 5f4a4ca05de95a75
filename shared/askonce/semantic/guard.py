"""Whether the answer to one question may be served for another that a vector search found to be alike.

The guard knows words, not meaning: it looks for a reason to refuse, and refuses where it cannot tell. Everything but
the two texts (model, earlier turns, parameters) has been found equal before.
"""

from collections.abc import Iterator

from askonce.semantic.differences import Differences
from askonce.semantic.doubts import Doubt
from askonce.semantic.order import has_other_order, has_other_persons
from askonce.semantic.reading import Reading, read, row
from askonce.semantic.rules import ALLOWED, WHAT, YES_OR_NO, Rules
from askonce.semantic.tokens import is_code, normal


def doubt(asked: str, kept: str, rules: Rules, similarity: float) -> Doubt | None:
    """Why the answer to `kept` may not be served for `asked`; None where it may.

    `similarity` is the cosine of the two texts' vectors: where the words differ, more of it is needed. The texts may
    change places. Never raises, whatever they are.
    """
    if asked == kept:
        return None
    return next((why for why in _reasons(asked, kept, rules, similarity) if why not in rules.disabled), None)


def _reasons(asked: str, kept: str, rules: Rules, similarity: float) -> Iterator[Doubt]:
    """All that speaks against it, what is told most surely first."""
    longest = rules.limits.longest
    if max(len(asked), len(kept)) <= longest:
        asked, kept = normal(asked), normal(kept)  # a single character may become eighteen
    if asked.split() == kept.split():
        return
    if max(len(asked), len(kept)) > longest:
        yield Doubt.LENGTH
    if is_code(asked) or is_code(kept):
        yield Doubt.LITERAL
    here, there = row(asked, rules), row(kept, rules)
    if here.words == there.words:
        return
    if max(len(here.words), len(there.words)) > rules.limits.most_words:
        yield Doubt.LENGTH
    if here.mentions or there.mentions:
        yield Doubt.LITERAL
    yield from _of_readings(read(here, rules), read(there, rules), rules, similarity)


def _of_readings(one: Reading, two: Reading, rules: Rules, similarity: float) -> Iterator[Doubt]:
    if one.signs != two.signs or _quotes_another_thing(one, two):
        yield Doubt.LITERAL
    yield from _of_numbers(one, two)
    if sorted(one.dates) != sorted(two.dates):
        yield Doubt.DATE
    if not (one.english and two.english):
        yield Doubt.LANGUAGE
    yield from _of_words(one, two, rules, similarity)


def _of_numbers(one: Reading, two: Reading) -> Iterator[Doubt]:
    if sorted(number.value for number in one.quantities) != sorted(number.value for number in two.quantities):
        yield Doubt.NUMBER
    elif set(one.quantities) != set(two.quantities):
        yield Doubt.UNIT


def _of_words(one: Reading, two: Reading, rules: Rules, similarity: float) -> Iterator[Doubt]:
    found = Differences(one, two, rules)
    left, right = found.unmatched
    if one.negations != two.negations or (left | right) & rules.words.negations or found.have_turned():
        yield Doubt.NEGATION
    if found.have_antonyms():
        yield Doubt.ANTONYM
    if found.have_alternatives():
        yield Doubt.ALTERNATIVE
    if (left & one.named) or (right & two.named):
        yield Doubt.ENTITY
    if has_other_persons(one, two, same_sentence=_is_same_sentence(found, rules) or found.are_of_function_words()):
        yield Doubt.PERSON
    if (left | right) & rules.words.scope:
        yield Doubt.SCOPE
    if _asks_another_thing(one, two, rules):
        yield Doubt.QUESTION
    if has_other_order(one, two, rules):
        yield Doubt.ORDER
    if not _is_alike(found, rules, similarity):
        yield Doubt.WORDING


def _asks_another_thing(one: Reading, two: Reading, rules: Rules) -> bool:
    if one.asks == two.asks == YES_OR_NO:
        return one.mode != two.mode and {one.mode, two.mode} != {None, ALLOWED}
    if one.asks == two.asks or frozenset((one.asks, two.asks)) in rules.questions.alike:
        return False
    return not (_asks_with_what(one, two, rules) or _asks_with_what(two, one, rules))


def _asks_with_what(one: Reading, two: Reading, rules: Rules) -> bool:
    """As "what is the reason" and "why"."""
    return one.asks == WHAT and any(rules.questions.nouns.get(stem) == two.asks for stem in one.stems)


def _is_same_sentence(found: Differences, rules: Rules) -> bool:
    return found.shared >= rules.limits.same_sentence


def _is_alike(found: Differences, rules: Rules, similarity: float) -> bool:
    """Whether what words are left over may be another way to say the same: they are few, and no more than what both
    texts say; the sentence is built differently, and the vectors are close. A light word may be left over in one text,
    but not another in its place; nor may the same sentence say a word twice where the other says it once.
    """
    limits = rules.limits
    if not found.common:
        return False
    same_sentence = _is_same_sentence(found, rules)
    if not any(found.unmatched):
        return not (same_sentence and (all(found.light) or found.repeats))
    unmatched = max(map(len, found.unmatched))
    few = unmatched <= min(limits.unmatched_words, found.common)
    return few and found.rebuilt and not same_sentence and similarity >= limits.reworded


def _quotes_another_thing(one: Reading, two: Reading) -> bool:
    """Whether one text quotes what the other does not say."""
    return any(quoted not in two.text for quoted in one.quoted) or any(quoted not in one.text for quoted in two.quoted)
