"""What is counted about requests. Its labels are bound once: counting is on the path of every hit."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from askonce.core.entry import Found
from askonce.core.money import dollars
from askonce.core.policy import Plan
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

PASSED_THROUGH: Final = "passed_through"
"""The call type of what is no cached route, and goes to a provider as it is."""
_FLUSH_EVERY = 0.25  # seconds that a scrape may be behind


class Result(StrEnum):
    """How a request was answered: from the cache, in part, by asking, by another's asking, past the cache, or not."""

    HIT = "hit"
    PARTIAL = "partial"
    MISS = "miss"
    COLLAPSED = "collapsed"
    BYPASS = "bypass"
    REFUSED = "refused"
    ERROR = "error"


@dataclass(slots=True)
class Observed:
    """One request as it is being answered. `status` is the Cache-Status that an error would carry; `similarity` that
    of the nearest question, where something alike was looked for. `model` is what `model_list` calls what was asked;
    `team` is that of a virtual key, "" without one.
    """

    call_type: str
    started: float
    result: Result = Result.ERROR
    status: str = "askonce"
    found: Sequence[Found | None] = ()
    similarity: float | None = None
    model: str = ""
    team: str = ""

    def hit(self, found: Sequence[Found]) -> None:
        self.result = Result.HIT
        self.found = found

    def missed(self, known: Plan, *, consulted: bool, joined: bool) -> None:
        partial = len(known.missing) < len(known.found)
        self.found = known.found if consulted else ()
        if joined:
            self.result = Result.COLLAPSED
        elif partial:
            self.result = Result.PARTIAL
        else:
            self.result = Result.MISS if consulted else Result.BYPASS


@dataclass(slots=True)
class _Saved:
    """What hits did not cost again: tokens, and pico-dollars."""

    prompt: int = 0
    completion: int = 0
    cost: int = 0


@dataclass(slots=True)
class _Team:
    """Requests of a team by their results, and the pico-dollars that hits did not cost it again."""

    results: dict[Result, int] = field(default_factory=lambda: defaultdict(int))
    cost: int = 0


class Observer:
    """Counts requests. Counters of hits are added up here and handed on by `flush`, which the service calls every
    moment: one addition instead of a locked, memory-mapped write for each.

    A model or a team that is met has all its series from then on: what comes later is seen as an increase.
    """

    def __init__(self, call_types: Sequence[str], metrics: Metrics, log: Log, timer: Callable[[], float]) -> None:
        self._metrics = metrics
        self._log = log
        self._timer = timer
        self._seconds = {
            (call_type, result): metrics.histogram("askonce_request_seconds", call_type, result).observe
            for call_type in call_types
            for result in Result
        }
        self._requests: dict[tuple[str, str, Result], int] = defaultdict(int)
        self._lookups: dict[tuple[str, str], int] = defaultdict(int)
        self._saved: dict[tuple[str, str], _Saved] = defaultdict(_Saved)
        self._teams: dict[str, _Team] = defaultdict(_Team)
        self._met: set[tuple[str, ...]] = set()

    def begin(self, call_type: str) -> Observed:
        return Observed(call_type, self._timer())

    def end(self, observed: Observed) -> None:
        call_type, lookups = observed.call_type, self._lookups
        self._requests[call_type, observed.model, observed.result] += 1
        self._seconds[call_type, observed.result](self._timer() - observed.started)
        cost = 0
        for found in observed.found:
            if found is None:
                lookups[call_type, "missing"] += 1
            else:
                entry, saved = found.entry, self._saved[call_type, observed.model]
                lookups[call_type, found.source] += 1
                saved.prompt += entry.usage.prompt
                saved.completion += entry.usage.completion
                saved.cost += entry.cost or 0
                cost += entry.cost or 0
        if observed.team:
            team = self._teams[observed.team]
            team.results[observed.result] += 1
            team.cost += cost

    def flush(self) -> None:
        requests, self._requests = self._requests, defaultdict(int)
        lookups, self._lookups = self._lookups, defaultdict(int)
        every, self._saved = self._saved, defaultdict(_Saved)
        teams, self._teams = self._teams, defaultdict(_Team)
        counter = self._metrics.counter
        for (call_type, model, result), count in requests.items():
            self._meet(call_type, model)
            counter("askonce_requests_total", call_type, model, result).inc(count)
        for where, count in lookups.items():
            counter("askonce_lookups_total", *where).inc(count)
        for of, saved in every.items():
            counter("askonce_tokens_saved_total", *of, "prompt").inc(saved.prompt)
            counter("askonce_tokens_saved_total", *of, "completion").inc(saved.completion)
            counter("askonce_saved_dollars_total", *of).inc(dollars(saved.cost))
        for name, team in teams.items():
            self._count_team(self._metrics.bounded("team", name), team)
        self._metrics.refresh()

    def _meet(self, call_type: str, model: str) -> None:
        if (call_type, model) in self._met:
            return
        self._met.add((call_type, model))
        for result in Result:
            self._metrics.zero("askonce_requests_total", call_type, model, result)
        if model and call_type != PASSED_THROUGH:  # nothing of that is kept
            for kind in ("prompt", "completion"):
                self._metrics.zero("askonce_tokens_saved_total", call_type, model, kind)
            self._metrics.zero("askonce_saved_dollars_total", call_type, model)

    def _count_team(self, name: str, team: _Team) -> None:
        if (name,) not in self._met:
            self._met.add((name,))
            for result in Result:
                self._metrics.zero("askonce_team_requests_total", name, result)
            self._metrics.zero("askonce_team_spent_dollars_total", name)
        for result, count in team.results.items():
            self._metrics.counter("askonce_team_requests_total", name, result).inc(count)
        self._metrics.counter("askonce_team_saved_dollars_total", name).inc(dollars(team.cost))

    async def flush_for_ever(self) -> None:
        """For as long as the service runs; what is left is flushed when it is cancelled."""
        try:
            while True:
                await asyncio.sleep(_FLUSH_EVERY)
                self.flush()
        finally:
            self.flush()

    def bug(self, error: Exception) -> None:
        self._log.exception("request_failed", error=type(error).__name__)
