"""What a row of the tables beside this file says: whether something that LiteLLM documents works here, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from askonce.config.policies import Frozen

NOT_BUILT: Final = "not built yet"
NOT_KNOWN: Final = "not known"
BALANCING: Final = "not built yet: choosing a deployment by it"
RETRIES: Final = "not built yet: retries and fallbacks of one entry"
PEOPLE: Final = "not built yet: users, and other ways to sign in"
LIMITS: Final = "not built yet: limits and budgets of this kind"
COSTS: Final = "not built yet: prices and spend of this kind"
ELSEWHERE: Final = "not built yet: the provider that needs it"
LOG_LEVEL: Final = "use askonce.log_level"
UNREWRITTEN: Final = "requests are never rewritten"
UNLOGGED: Final = "messages and keys are never logged"

WORD: Final = "word"  # the sample of whatever is a secret


class Verdict(StrEnum):
    WORKS = "works"
    BETTER = "better"
    NOT = "not"


class Standing(Frozen):
    """A setting of LiteLLM's that stands in the file, by its dotted name, and what comes of it."""

    name: str
    verdict: Verdict
    words: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Names that share a verdict and its reason. A star in a name stands for any text, and ": " before a value.

    `words` say how it is better, why it is not, or when it counts; "" where LiteLLM's documentation says all. A setting
    that stands where it has no effect is told with them. `samples` are values that are taken, by name, where names
    have values.
    """

    verdict: Verdict
    names: tuple[str, ...]
    words: str = ""
    samples: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """`title` is for people; `prefix` stands before every name, such as "router_settings."."""

    title: str
    prefix: str
    rows: tuple[Row, ...]


def works(*names: str, words: str = "", **samples: Any) -> Row:
    """As LiteLLM's documentation has it."""
    return Row(Verdict.WORKS, (*names, *samples), words, samples)


def better(words: str, *names: str, **samples: Any) -> Row:
    return Row(Verdict.BETTER, (*names, *samples), words, samples)


def no(words: str, *names: str) -> Row:
    return Row(Verdict.NOT, names, words)


def listed(written: str) -> tuple[str, ...]:
    """Words of a list of names, in its order."""
    return tuple(written.split())
