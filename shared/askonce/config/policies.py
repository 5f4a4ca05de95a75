"""How models are chosen and what they cost, typed: what an operator decides, apart from where anything is."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """A settings model that nobody changes, and that takes no member it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Alias(Frozen):
    """Another name of a model: `model` is what `model_list` calls it. A hidden one is answered to and not listed."""

    name: str
    model: str
    hidden: bool = False


class Prices(Frozen):
    """What a model costs, in US dollars, as an operator says it; None where nobody does. Source: LiteLLM's
    `model_info`, whose members end in `_cost_per_token` and so on.
    """

    input_token: float | None = None
    output_token: float | None = None
    cached_token: float | None = None
    query: float | None = None
    character: float | None = None
    second: float | None = None


Strategy = Literal[
    "simple-shuffle", "least-busy", "latency-based-routing", "usage-based-routing-v2", "cost-based-routing"
]


class RoutingSettings(Frozen):
    """Which deployment of a group is asked, and what follows when it fails. Names and defaults are LiteLLM's router's,
    but for `num_retries`. Times are in seconds.

    `num_retries` counts tries that come after every usable member was asked once. `retry_after` is the shortest wait
    before one. A member is cooled for `cooldown` after more than `allowed_fails` failures in a minute; 0 never cools.
    The fallbacks name models by the one that failed, in the order in which they are asked, `max_fallbacks` at most. The
    models of one of `caching_groups` share their answers.
    """

    strategy: Strategy = "simple-shuffle"
    num_retries: int = 0
    retry_after: float = 0.0
    allowed_fails: int = 3
    cooldown: float = 5.0
    fallbacks: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    default_fallbacks: tuple[str, ...] = ()
    context_window_fallbacks: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    content_policy_fallbacks: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    max_fallbacks: int = 5
    caching_groups: tuple[tuple[str, ...], ...] = ()
    latency_buffer: float = 0.0
    latency_ttl: float = 3600.0
    latency_samples: int = 10
