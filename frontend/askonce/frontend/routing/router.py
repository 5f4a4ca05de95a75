"""Who is asked a question, and who after that: the members of a group in the order that the strategy gives, each once,
and one of those that are left alone; then further tries after a wait, as many as somebody wants. Asks nobody itself:
see `attempts`.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

from askonce.config.policies import RoutingSettings
from askonce.config.settings import Settings
from askonce.core.errors import RequestError
from askonce.core.events import Cooled
from askonce.frontend.ask import Ask
from askonce.frontend.deployments import Deployments, Route, Target
from askonce.frontend.routing.cooldowns import Cooldowns, Reason
from askonce.frontend.routing.members import MINUTE, Members
from askonce.frontend.routing.strategies import Candidate, Price, Scene, choose, has_room
from askonce.frontend.upstream import asked_patience, asked_retries
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

_FIRST_WAIT: Final = 0.5  # seconds, doubled with every further try
_LONGEST_WAIT: Final = 8.0
_SLACK: Final = 0.01  # seconds by which two clocks may differ about one moment


def _as_said(target: Target) -> float | None:
    """By the prices that the operator has written: of a token asked and one answered together."""
    said = target.deployment.prices
    found = [one for one in (said.input_token, said.output_token) if one is not None]
    return sum(found) if found else None


class Router:
    """`patience` is for how long, in seconds, a question is tried again where it does not say so itself."""

    def __init__(  # noqa: PLR0913 - the composition root hands down what routing touches
        self,
        settings: RoutingSettings,
        members: Members,
        cooldowns: Cooldowns,
        *,
        patience: float,
        metrics: Metrics,
        clock: Callable[[], float],
        price: Price = _as_said,
        random: Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.settings: Final = settings
        self.members: Final = members
        self.cooldowns: Final = cooldowns
        self.patience: Final = patience
        self.clock: Final = clock
        self.sleep: Final = sleep
        self.random: Final = random or Random()  # noqa: S311 - dice, no secrets
        self.retried: Final = metrics.counter("askonce_upstream_retries_total")
        self._price = price

    def course(self, route: Route, ask: Ask, ends: float | None = None) -> "Course":
        """A question's, with whoever is asked first. What a provider keeps is asked of one deployment only. `ends` is
        when its client's time is over, in seconds since the epoch, where some of it went to other models.

        Raises RequestError (429) where every member is at its limit.
        """
        targets = (route.first,) if ask.endpoint.kept_upstream(ask.body) else route.targets
        candidates = [Candidate(target, self.members.of(target)) for target in targets]
        chosen = self.choose(candidates, streamed=ask.streamed)
        if chosen is None:
            raise self._nobody(ask.model, candidates)
        return Course(self, candidates, chosen, ask, ends)

    def spend(self, target: Target, tokens: int) -> None:
        """What an answer cost counts in the minute in which it ends."""
        self.members.of(target).spend(tokens, self.clock())

    def choose(self, candidates: list[Candidate], *, streamed: bool) -> Candidate | None:
        return choose(candidates, self._scene(streamed=streamed))

    def _scene(self, *, streamed: bool) -> Scene:
        return Scene(self.settings, self.clock(), streamed, self.random, self._price)

    def _nobody(self, model: str, candidates: list[Candidate]) -> RequestError:
        """In LiteLLM's words. What is under way may end at any moment; a minute's usage ends with the minute."""
        scene = self._scene(streamed=False)
        idle = [one for one in candidates if not _busy(one)]
        used_up = bool(idle) and not any(has_room(one, scene) for one in idle)
        wait = math.ceil(MINUTE - scene.now % MINUTE) if used_up else 1
        message = (
            f"No deployments available for selected model, Try again in {wait} seconds. Passed model={model[:200]}"
        )
        return RequestError(
            429, message, "rate_limit_error", "model", "rate_limit_exceeded", headers={"retry-after": str(wait)}
        )


def _busy(one: Candidate) -> bool:
    bound = one.target.deployment.max_parallel_requests
    return bound is not None and one.member.in_flight >= bound


class Course:
    """One question's way through a group. `target` is asked now; `retries` are the tries before this one. `end` it when
    the answer is over, however that went.
    """

    def __init__(
        self, router: Router, candidates: list[Candidate], first: Candidate, ask: Ask, ends: float | None = None
    ) -> None:
        self._router = router
        self._all = candidates
        self._left = candidates
        self._streamed = ask.streamed
        self._asked_retries = asked_retries(ask)
        started = router.clock()
        own = asked_patience(ask.body)
        self._own_end = min(
            (one for one in (ends, None if own is None else started + own) if one is not None), default=None
        )
        self._deadline = started + router.patience if self._own_end is None else self._own_end
        self._not_before: dict[str, float] = {}  # by member: until when its provider wants to be left alone
        self._further = 0  # tries since every member was asked once
        self._wait = 0.0
        self._busy = False
        self._given_up = False
        self._cooled = False  # somebody who was to be left alone was asked
        self.retries = 0
        self._take(first)

    @property
    def target(self) -> Target:
        return self._now.target

    @property
    def left(self) -> float | None:
        """Seconds that the question gives itself from now on; None where it says nothing of it."""
        return None if self._own_end is None else max(0.001, self._own_end - self._router.clock())

    @property
    def over(self) -> bool:
        """Whether the time is over that the question gave itself."""
        return self._own_end is not None and self._router.clock() >= self._own_end - _SLACK

    def took(self, seconds: float) -> None:
        """The first byte of an answer came after so long."""
        samples = self._router.settings.latency_samples
        self._now.member.took(seconds, self._router.clock(), streamed=self._streamed, samples=samples)

    def failed(self, why: Reason, after: float | None) -> None:
        """`after` is how long, in seconds, the provider wants to be left alone."""
        now = self._now
        if after is not None:
            self._not_before[now.member.id] = self._router.clock() + after
        others = [one.member for one in self._all if one.member is not now.member]
        self._router.cooldowns.failed(now.member, why, after, others)

    def follow(self) -> bool:
        """Whether somebody is tried next, and who: `move` goes on to them."""
        self.end()
        now = self._router.clock()
        if self._given_up or now >= self._deadline:
            return False
        chosen = self._choose()
        if chosen is None:
            return False
        self._wait = 0.0
        if self._further:
            asked_for = self._not_before.get(chosen.member.id, now) - now
            self._wait = max(self._back_off(), asked_for)
        if now + self._wait >= self._deadline:
            return False
        self._next = chosen
        return True

    async def move(self) -> None:
        if self._wait > 0:
            await self._router.sleep(self._wait)
        self._take(self._next)
        self.retries += 1
        self._router.retried.inc()

    def give_up(self) -> None:
        """Nobody is tried any more."""
        self._given_up = True

    @property
    def asking(self) -> bool:
        """Whether somebody is asked just now, and has not failed yet."""
        return self._busy

    def end(self) -> None:
        if self._busy:
            self._busy = False
            self._now.member.end()

    def _choose(self) -> Candidate | None:
        """Of those that are to be left alone one is asked; more of them only as further tries."""
        chosen = self._pick(self._left)
        if chosen is not None and not self._further and not (self._cooled and self._is_cooled(chosen)):
            return chosen
        if self._further >= self._allowed():
            return None
        self._further += 1
        if chosen is None:
            self._left = [one for one in self._all if one is not self._now]
            chosen = self._pick(self._left) or self._pick(self._all)
        return chosen

    def _pick(self, candidates: list[Candidate]) -> Candidate | None:
        return self._router.choose(candidates, streamed=self._streamed)

    def _allowed(self) -> int:
        own = self._now.target.deployment.num_retries
        if own is not None:
            return own
        return self._router.settings.num_retries if self._asked_retries is None else self._asked_retries

    def _back_off(self) -> float:
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (self._further - 1))
        return max(self._router.random.uniform(longest / 2, longest), self._router.settings.retry_after)

    def _is_cooled(self, candidate: Candidate) -> bool:
        return candidate.member.cooled(self._router.clock())

    def _take(self, candidate: Candidate) -> None:
        self._now = candidate
        self._cooled = self._cooled or self._is_cooled(candidate)
        self._left = [one for one in self._left if one is not candidate]
        candidate.member.begin(self._router.clock())
        self._busy = True


def open_router(  # noqa: PLR0913 - what a router is made from
    settings: Settings,
    deployments: Deployments,
    tell: Callable[[Cooled], None],
    metrics: Metrics,
    clock: Callable[[], float],
    price: Price = _as_said,
    *,
    log: Log,
) -> Router:
    """For what clients may ask for. `tell` reaches all frontends, whose news go to `Router.cooldowns.heard`."""
    members, routing = Members(deployments.targets), settings.routing
    cooldowns = Cooldowns(routing, members, tell=tell, metrics=metrics, log=log, clock=clock)
    cooldowns.watched()
    patience = settings.proxy.upstream_timeout
    return Router(routing, members, cooldowns, patience=patience, metrics=metrics, clock=clock, price=price)
