"""Whether a word is another one with a slip. Knows typing; the words that are spelt well, the rules know."""

from typing import Final

from askonce.semantic.rules import Rules

_SHORTEST: Final = 5
_VOWELS: Final = frozenset("aeiouy")


def is_misspelt(one: str, two: str, rules: Rules) -> bool:
    """Whether two words differ by one slip inside: a letter left out, added or wrong, or two that changed places.

    Not where both words are known. Where neither is, only a common slip will do: a vowel, a doubled letter, a swap.
    Never at the ends, where "employer" and "employee" differ.
    """
    short, long = (one, two) if len(one) <= len(two) else (two, one)
    if len(short) < _SHORTEST or len(long) - len(short) > 1 or short[0] != long[0]:
        return False
    if not (short.isalpha() and long.isalpha()):
        return False
    known = (rules.term(one) in rules.words.known) + (rules.term(two) in rules.words.known)
    return known < 2 and _is_slip(short, long, common_only=known == 0)


def _is_slip(short: str, long: str, *, common_only: bool) -> bool:
    at = next((n for n, letter in enumerate(short) if letter != long[n]), len(short))
    if at == len(short):
        return False
    if len(long) > len(short):
        common = long[at] in _VOWELS or long[at] in (long[at - 1], long[at + 1])
        return short[at:] == long[at + 1 :] and (common or not common_only)
    if at == len(short) - 1:
        return False
    if short[at + 1 :] == long[at + 1 :]:  # "propane" and "propene" differ near the end
        common = short[at] in _VOWELS and long[at] in _VOWELS and at < len(short) - 3
        return common or not common_only
    return short[at : at + 2] == long[at + 1] + long[at] and short[at + 2 :] == long[at + 2 :]
