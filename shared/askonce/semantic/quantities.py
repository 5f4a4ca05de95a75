"""Numbers and dates in a row of tokens. Knows how they are put together; what the words are, the rules say."""

from decimal import Decimal
from typing import Final, NamedTuple

from askonce.semantic.rules import Rules
from askonce.semantic.tokens import Kind, Token

_ORDINALS: Final = frozenset({"st", "nd", "rd", "th"})
_LONGEST: Final = 15  # digits that are reckoned with; longer ones are codes
_HUNDRED: Final = Decimal(100)
_TENS: Final = Decimal(20)  # from here on a number in words may have another one behind it
_UNIT_WORDS: Final = (3, 2, 1)
_ABBREVIATED: Final = 3  # letters of "sat" and "sun", which are words too
_WORD_TOO: Final = frozenset({"march", "may"})
_BEFORE_DATES: Final = frozenset(
    {
        "in",
        "of",
        "on",
        "since",
        "until",
        "till",
        "by",
        "last",
        "next",
        "this",
        "every",
        "from",
        "during",
        "to",
        "through",
    }
)


class Quantity(NamedTuple):
    value: str
    unit: str | None


def quantity(tokens: list[Token], at: int, rules: Rules) -> tuple[Quantity, int] | None:
    """The number that begins at a token, and where what follows it begins. None where none does."""
    found = _digits(tokens, at, rules) if tokens[at].kind is Kind.NUMBER else _words(tokens, at, rules)
    if found is None:
        return None
    value, end = found
    units, before = rules.numbers.units, tokens[at - 1] if at else None
    if before is not None and before.kind is Kind.SIGN and before.text in units:
        return Quantity(value, units[before.text]), end
    unit = _unit(tokens, end, rules)
    return (Quantity(value, None), end) if unit is None else (Quantity(value, unit[0]), unit[1])


def date(tokens: list[Token], at: int, rules: Rules) -> str | None:
    """The month, the day of the week or the time of day that a token is."""
    token = tokens[at]
    if token.kind is Kind.DATE:
        return token.text
    name = rules.numbers.months.get(token.text) or rules.numbers.dates.get(token.text)
    if name is None or not (len(token.text) == _ABBREVIATED or token.text in _WORD_TOO):
        return name
    before, after = tokens[at - 1] if at else None, tokens[at + 1] if at + 1 < len(tokens) else None
    beside = any(one is not None and one.kind is Kind.NUMBER for one in (before, after))
    return name if token.named or beside or (before is not None and before.text in _BEFORE_DATES) else None


def _digits(tokens: list[Token], at: int, rules: Rules) -> tuple[str, int] | None:
    text, end = tokens[at].text, at + 1
    if end < len(tokens) and tokens[end].kind is Kind.WORD:
        after = tokens[end]
        if after.tight and after.text in _ORDINALS:
            return _plain(text), end + 1
        factor = rules.numbers.multipliers.get(after.text)
        if factor is not None and len(text) <= _LONGEST and text.count(".") <= 1:
            return _plain(f"{Decimal(text) * factor:f}"), end + 1
        if after.tight and after.text not in rules.numbers.units:
            return None
    return _plain(text), end


def _words(tokens: list[Token], at: int, rules: Rules) -> tuple[str, int] | None:
    """A number in words: "two hundred and fifty" is 250. "one" alone is a number only before a unit."""
    values, multipliers = rules.numbers.values, rules.numbers.multipliers
    total, part, end = Decimal(0), Decimal(0), at
    while end < len(tokens):
        word = tokens[end].text
        if word in values and (end == at or tokens[end - 1].text in multipliers or part >= _TENS):
            part += values[word]
        elif word in multipliers and end > at:
            part *= multipliers[word]
            if multipliers[word] > _HUNDRED:
                total, part = total + part, Decimal(0)
        elif word == "and" and end > at and _goes_on(tokens, end, rules):
            part, end = part + values[tokens[end + 1].text], end + 1
        else:
            break
        end += 1
    alone = end == at + 1 and tokens[at].text in rules.words.function_words and _unit(tokens, end, rules) is None
    return None if end == at or alone else (_plain(f"{total + part:f}"), end)


def _goes_on(tokens: list[Token], at: int, rules: Rules) -> bool:
    """Whether an "and" stands inside a number: after a multiplier and before a number."""
    after = tokens[at + 1].text if at + 1 < len(tokens) else ""
    return tokens[at - 1].text in rules.numbers.multipliers and after in rules.numbers.values


def _unit(tokens: list[Token], at: int, rules: Rules) -> tuple[str | None, int] | None:
    for length in _UNIT_WORDS:
        written = " ".join(token.text for token in tokens[at : at + length])
        if at + length <= len(tokens) and written in rules.numbers.units:
            return rules.numbers.units[written], at + length
    return None


def _plain(digits: str) -> str:
    """Without zeros in front, and without cents that are none. "3.10" stays: it may be a version."""
    sign, rest = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    whole, point, part = rest.partition(".")
    if len(part) != 1 and not part.strip("0"):
        point, part = "", ""
    return f"{sign}{whole.lstrip('0') or '0'}{point}{part}"
