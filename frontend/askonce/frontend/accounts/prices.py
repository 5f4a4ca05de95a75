"""What an answer costs: by the operator's prices, else by those that the library genai-prices knows, offline.

Amounts are pico-dollars (`core.money`); None is a price that nobody says. The library is large, so that it is imported
for the first model only that has no prices of its own, in a thread. It never fetches anything (docs/decisions/0070).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Final

from askonce.config.policies import Prices, RoutingSettings
from askonce.core.entry import Usage
from askonce.core.money import MOST, PICO
from askonce.frontend.deployments import Target

# Our prefixes by what the library calls whose prices they are. Servers of one's own have none.
_CALLED: Final = {
    "openai": "openai",
    "text-completion-openai": "openai",
    "azure": "azure",
    "azure_text": "azure",
    "anthropic": "anthropic",
    "cerebras": "cerebras",
    "codestral": "mistral",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "novita": "novita",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together_ai": "together",
    "voyage": "voyageai",
    "xai": "x-ai",
    "zai": "zai",
}


@dataclass(frozen=True, slots=True)
class Metered:
    """What an answer took. `usage` is None where the provider told no tokens; `queries` are searches of a reranker,
    `characters` those that were spoken, `seconds` those of sound that was heard, None where nobody said.
    """

    usage: Usage | None = None
    queries: int = 0
    characters: int = 0
    seconds: float | None = None


class PriceList:
    def __init__(self) -> None:
        self._library: Callable[[str, str, Usage], Decimal] | None = None
        self._loading = asyncio.Lock()

    async def cost(self, target: Target, metered: Metered) -> int | None:
        """Pico-dollars of one answer."""
        own = target.deployment.prices
        if own != _NONE:
            return _pico(_by_hand(own, metered))
        provider, model = _meant(target)
        if metered.usage is None or provider is None:
            return None
        if self._library is None:
            async with self._loading:
                library = self._library = await asyncio.to_thread(_load)
        else:
            library = self._library
        try:
            return _pico(library(provider, model, metered.usage))
        except LookupError:
            return None


_NONE: Final = Prices()


def token_price(settings: RoutingSettings) -> Callable[[Target], float | None]:
    """By what a strategy compares models: US dollars of a token asked and one answered, together; None where nobody
    says. The library is loaded here, and only where costs decide who is asked.
    """
    library = _load() if settings.strategy == "cost-based-routing" else None

    @lru_cache(maxsize=1024)
    def listed(provider: str, model: str) -> float | None:
        try:
            return None if library is None else float(library(provider, model, Usage(1, 1)))
        except LookupError:
            return None

    def price(target: Target) -> float | None:
        own = target.deployment.prices
        if own != _NONE:
            said = [one for one in (own.input_token, own.output_token) if one is not None]
            return sum(said) if said else None
        provider, model = _meant(target)
        return None if provider is None else listed(provider, model)

    return price


def _meant(target: Target) -> tuple[str | None, str]:
    """The library's name of the provider, and the model whose price counts. The base model may have a prefix."""
    deployment = target.deployment
    prefix, slash, rest = (deployment.base_model or "").partition("/")
    if slash and prefix in _CALLED:
        return _CALLED[prefix], rest
    return _CALLED.get(deployment.provider), deployment.base_model or target.model


def _by_hand(prices: Prices, metered: Metered) -> Decimal | None:
    """None where a price is for what nobody counted."""
    total = Decimal(0)
    for price, count in (
        *_tokens(prices, metered.usage),
        (prices.query, metered.queries),
        (prices.character, metered.characters),
        (prices.second, metered.seconds),
    ):
        if not price:
            continue
        if count is None:
            return None
        total += _exact(price) * _exact(count)
    return total


def _tokens(prices: Prices, usage: Usage | None) -> list[tuple[float | None, int | None]]:
    if usage is None:
        return [(price, None) for price in (prices.input_token, prices.output_token, prices.cached_token)]
    if prices.cached_token is None:
        return [(prices.input_token, usage.prompt), (prices.output_token, usage.completion)]
    return [
        (prices.input_token, usage.prompt - usage.cached),
        (prices.cached_token, usage.cached),
        (prices.output_token, usage.completion),
    ]


def _exact(number: float) -> Decimal:
    """As it was written: 1e-7, and not the float next to it."""
    return Decimal(repr(number))


def _pico(dollars: Decimal | None) -> int | None:
    if dollars is None:
        return None
    amount = int((dollars * PICO).to_integral_value(ROUND_HALF_EVEN))
    return amount if 0 <= amount < MOST else None


def _load() -> Callable[[str, str, Usage], Decimal]:
    # Some 30 MB and 150 ms that nobody pays whose models have prices of their own.
    from genai_prices import Usage as Counted  # noqa: PLC0415
    from genai_prices import calc_price  # noqa: PLC0415

    def price(provider: str, model: str, usage: Usage) -> Decimal:
        counted = Counted(
            input_tokens=usage.prompt, output_tokens=usage.completion, cache_read_tokens=usage.cached or None
        )
        found = calc_price(counted, model, provider_id=provider)
        if found.model_price.input_mtok is None and found.model_price.output_mtok is None:
            raise LookupError("sold by something else than tokens")
        return found.total_price

    return price
