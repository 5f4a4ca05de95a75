"""Groups of deployments to choose from, and a router that tells nobody."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from askonce.config.policies import RoutingSettings
from askonce.core.events import Cooled
from askonce.frontend.deployments import Deployments
from askonce.frontend.routing.cooldowns import Cooldowns
from askonce.frontend.routing.members import Members
from askonce.frontend.routing.router import Router
from askonce.frontend.routing.strategies import Candidate, Scene
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.frontend.kit import NOW, Clock, deployment

SEED = 7


async def _at_once(_seconds: float) -> None:
    """For what never waits."""


def group(*more: dict[str, Any]) -> list[Candidate]:
    """Deployments of one name; each with these settings, and called by its place: m0, m1, …"""
    known = Deployments([deployment("m", f"m{n}", api_key="sk-own", **one) for n, one in enumerate(more)])
    members = Members(known.targets)
    return [Candidate(target, members.of(target)) for target in known.targets]


def scene(strategy: str = "simple-shuffle", now: float = NOW, **more: Any) -> Scene:
    streamed, price = more.pop("streamed", False), more.pop("price", lambda _: None)
    settings = RoutingSettings.model_validate({"strategy": strategy, **more})
    return Scene(settings, now, streamed, Random(SEED), price)


def router(
    settings: RoutingSettings | None = None,
    *,
    metrics: Metrics | None = None,
    clock: Callable[[], float] | None = None,
    sleep: Callable[[float], Awaitable[None]] = _at_once,
    tell: Callable[[Cooled], None] = lambda _: None,
    known: Deployments | None = None,
    patience: float = 600.0,
) -> Router:
    settings, metrics, clock = settings or RoutingSettings(), metrics or Metrics(), clock or Clock()
    members = Members(known.targets if known else ())
    cooldowns = Cooldowns(settings, members, tell=tell, metrics=metrics, log=Log("test"), clock=clock)
    return Router(
        settings, members, cooldowns, patience=patience, metrics=metrics, clock=clock, random=Random(SEED), sleep=sleep
    )
