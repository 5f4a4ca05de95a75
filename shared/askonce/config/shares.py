"""What an entry of `model_list` says of its share of a group, and of its price. Knows no request.

Source: LiteLLM's pages on load balancing and on custom prices; `litellm/types/utils.py` (CustomPricingLiteLLMParams) of
LiteLLM 1.109.
"""

from collections.abc import Mapping
from typing import Any, Final

from askonce.config.policies import Prices
from askonce.config.section import Section
from askonce.config.values import above_zero, line, number, whole

PRICES: Final[Mapping[str, str]] = {
    "input_token": "input_cost_per_token",
    "output_token": "output_cost_per_token",
    "cached_token": "cache_read_input_token_cost",
    "query": "input_cost_per_query",
    "character": "input_cost_per_character",
    "second": "input_cost_per_second",
}


def read_share(params: Section) -> dict[str, Any]:
    """Members of a Deployment: how much of its group's requests it is asked, and how often again."""
    retries, others = params.get("num_retries", whole), params.get("max_retries", whole)
    return {
        "weight": params.get("weight", number),
        "rpm": params.get("rpm", whole),
        "tpm": params.get("tpm", whole),
        "order": params.get("order", whole),
        "max_parallel_requests": params.get("max_parallel_requests", above_zero),
        "num_retries": others if retries is None else retries,
    }


def read_costs(params: Section, about: Section) -> dict[str, Any]:
    """Members of a Deployment: its prices, in US dollars. What `litellm_params` say goes before `about`, which is
    `model_info`.
    """
    found = {name: params.get(written, number) for name, written in PRICES.items()}
    below = {name: about.get(written, number) for name, written in PRICES.items()}
    prices = {name: below[name] if price is None else price for name, price in found.items()}
    base, other = params.get("base_model", line), about.get("base_model", line)
    return {"prices": Prices(**prices), "base_model": base or other}
