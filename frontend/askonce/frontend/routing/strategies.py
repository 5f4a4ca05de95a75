"""Who of a group is asked next: LiteLLM's routing strategies, as choices among members. Pure, but for the dice.

Source of the names and of what they mean: https://docs.litellm.ai/docs/routing
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, NamedTuple

from askonce.config.policies import RoutingSettings, Strategy
from askonce.config.settings import Deployment
from askonce.frontend.deployments import Target
from askonce.frontend.routing.members import Member

Price = Callable[[Target], float | None]  # in US dollars, None where nobody says; only compared with one another


class Candidate(NamedTuple):
    target: Target
    member: Member


class Scene(NamedTuple):
    """What a choice is made by. `now` is in seconds since the epoch."""

    settings: RoutingSettings
    now: float
    streamed: bool
    random: Random
    price: Price


Choice = Callable[[Sequence[Candidate], Scene], Candidate]


def has_room(one: Candidate, scene: Scene) -> bool:
    """Whether it may be asked at all: it has fewer requests under way than it takes, and, where usage decides, is below
    its limits of this minute.
    """
    deployment, member = one
    own = deployment.deployment
    if own.max_parallel_requests is not None and member.in_flight >= own.max_parallel_requests:
        return False
    if scene.settings.strategy != "usage-based-routing-v2":
        return True
    requests, tokens = member.used(scene.now)
    return (own.rpm is None or requests < own.rpm) and (own.tpm is None or tokens < own.tpm)


def choose(candidates: Sequence[Candidate], scene: Scene) -> Candidate | None:
    """Whose turn it is among those with room; None where there is none.

    Who is cooled is asked only where all are: then it is the one whose cooldown ends first. Of several orders the
    lowest has the turn; who has none comes last.
    """
    free = [one for one in candidates if has_room(one, scene)]
    warm = [one for one in free if not one.member.cooled(scene.now)]
    if len(warm) > 1:
        first = min(map(_order, warm))
        return STRATEGIES[scene.settings.strategy]([one for one in warm if _order(one) == first], scene)
    return warm[0] if warm else min(free, key=lambda one: one.member.cooled_until, default=None)


def _order(one: Candidate) -> float:
    order = one.target.deployment.order
    return float("inf") if order is None else order


def _shuffled(candidates: Sequence[Candidate], scene: Scene) -> Candidate:
    """By weight; where no member has one by rpm, where none has that by tpm, else evenly."""
    for share in _SHARES:
        said = [share(one.target.deployment) for one in candidates]
        weights = [max(0.0, one or 0.0) for one in said]
        if any(weights):
            return scene.random.choices(candidates, weights)[0]
    return scene.random.choice(candidates)


_SHARES: Final[tuple[Callable[[Deployment], float | None], ...]] = (
    lambda one: one.weight,
    lambda one: one.rpm,
    lambda one: one.tpm,
)


def _least_busy(candidates: Sequence[Candidate], scene: Scene) -> Candidate:
    return _one_of_the_least(candidates, scene, lambda one: one.member.in_flight)


def _fastest(candidates: Sequence[Candidate], scene: Scene) -> Candidate:
    """One whose mean is within the buffer of the lowest. Of whom nothing is known yet comes first."""
    settings = scene.settings
    means = [one.member.latency(scene.now, streamed=scene.streamed, ttl=settings.latency_ttl) for one in candidates]
    unknown = [one for one, mean in zip(candidates, means, strict=True) if mean is None]
    if unknown:
        return _least_busy(unknown, scene)
    known = [(one, mean) for one, mean in zip(candidates, means, strict=True) if mean is not None]
    bound = min(mean for _, mean in known) * (1 + settings.latency_buffer)
    return scene.random.choice([one for one, mean in known if mean <= bound])


def _least_used(candidates: Sequence[Candidate], scene: Scene) -> Candidate:
    """By tokens of this minute; where they are equal, as before the first answers of a minute, by requests."""
    return _one_of_the_least(candidates, scene, lambda one: one.member.used(scene.now)[::-1])


def _cheapest(candidates: Sequence[Candidate], scene: Scene) -> Candidate:
    """What nobody knows the price of comes last."""

    def price(one: Candidate) -> float:
        said = scene.price(one.target)
        return float("inf") if said is None else said

    return _one_of_the_least(candidates, scene, price)


def _one_of_the_least(
    candidates: Sequence[Candidate], scene: Scene, rank: Callable[[Candidate], float | tuple[int, ...]]
) -> Candidate:
    ranks = [rank(one) for one in candidates]
    least = min(ranks)
    return scene.random.choice([one for one, its in zip(candidates, ranks, strict=True) if its == least])


STRATEGIES: Final[Mapping[Strategy, Choice]] = {
    "simple-shuffle": _shuffled,
    "least-busy": _least_busy,
    "latency-based-routing": _fastest,
    "usage-based-routing-v2": _least_used,
    "cost-based-routing": _cheapest,
}
