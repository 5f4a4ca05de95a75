"""What an answer from upstream tells in LiteLLM's headers: who answered, after how many tries, what it cost, and what
the key may.

Hits have none of these: see `reply`.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from askonce.core.money import dollars
from askonce.frontend.access.caller import Caller

_GROUP: Final = "x-litellm-model-group"
_FALLBACKS: Final = "x-litellm-attempted-fallbacks"
_RETRIES: Final = "x-litellm-attempted-retries"
_COST: Final = "x-litellm-response-cost"
_RPM: Final = "x-litellm-key-rpm-limit"
_TPM: Final = "x-litellm-key-tpm-limit"
_BUDGET: Final = "x-litellm-key-max-budget"
_SPEND: Final = "x-litellm-key-spend"
_OURS: Final = frozenset({_GROUP, _FALLBACKS, _RETRIES, _COST, _RPM, _TPM, _BUDGET, _SPEND})
_DIGITS: Final = 12  # that are significant: more are noise of adding up

Headers = list[tuple[str, str]]


def tries(model: str, *, fallbacks: int, retries: int) -> Headers:
    """`model` is the name whose group answered; one that no header can hold is left out."""
    named = [(_GROUP, model)] if model.isascii() and model.isprintable() else []
    return [*named, (_FALLBACKS, str(fallbacks)), (_RETRIES, str(retries))]


def cost(paid: float | None) -> Headers:
    """`paid` is in US dollars."""
    return [] if paid is None else [(_COST, cost_text(paid))]


def cost_text(paid: float) -> str:
    """As Python writes a float, which is what LiteLLM sends, but never with an exponent."""
    text = format(Decimal(f"{paid:.{_DIGITS}g}"), "f")
    return text if "." in text else f"{text}.0"


def spend(amount: int | None) -> Headers:
    """`amount` is in pico-dollars, None where it is not known now."""
    return [] if amount is None else [(_SPEND, cost_text(dollars(amount)))]


def of_key(caller: Caller) -> Headers:
    """The limits of a virtual key itself, not of its team; those that it has."""
    if not caller.name:
        return []
    whose = f"key:{caller.name}"
    told: list[tuple[str, int | float | None]] = [(_BUDGET, most) for name, most in caller.budgets if name == whose]
    for claim in caller.limits:
        if claim.name == whose:
            told += [(_RPM, claim.requests), (_TPM, claim.tokens)]
    return [(name, str(limit)) for name, limit in told if limit is not None]


def without_ours(headers: Iterable[tuple[str, str]]) -> Headers:
    """A provider may be such a proxy too: what it says of itself is not said of this one."""
    return [one for one in headers if one[0].lower() not in _OURS]
