"""When a deployment that fails is left alone for a while, and that every frontend hears of it.

A cooldown is advice: who has nobody else to ask asks all the same (docs/decisions/0066).
"""

from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import partial
from typing import Final

from askonce.config.policies import RoutingSettings
from askonce.core.errors import UpstreamError, UpstreamTimeout
from askonce.core.events import Cooled
from askonce.frontend.routing.members import Member, Members
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

LONGEST: Final = 60.0  # seconds of a provider's Retry-After that are waited for


class Reason(StrEnum):
    """How a deployment fails. Any other answer is the client's affair: it is passed on, and counts for nothing."""

    UNAVAILABLE = "unavailable"  # no connection, or one that broke before the first byte of the answer
    TIMEOUT = "timeout"
    REQUEST_TIMEOUT = "408"
    RATE_LIMITED = "429"
    SERVER = "5xx"


def reason(outcome: UpstreamError | int) -> Reason | None:
    """Why an error, or an answer's status, is a failure; None where it is none."""
    match outcome:
        case UpstreamTimeout():
            return Reason.TIMEOUT
        case UpstreamError():
            return Reason.UNAVAILABLE
        case 408:
            return Reason.REQUEST_TIMEOUT
        case 429:
            return Reason.RATE_LIMITED
        case status if status >= 500:
            return Reason.SERVER
    return None


def retry_after(headers: Sequence[tuple[str, str]], now: float) -> float | None:
    """Seconds that the provider asks to be left alone for, LONGEST at most; None where it says nothing of use.

    A number or a date (RFC 9110 10.2.3), or OpenAI's `retry-after-ms`.
    """
    said = {name.lower(): value for name, value in headers if name.lower().startswith("retry-after")}
    seconds = _number(said.get("retry-after-ms"), 0.001)
    if seconds is None:
        seconds = _number(said.get("retry-after"), 1.0)
    if seconds is None:
        try:
            seconds = parsedate_to_datetime(said["retry-after"]).timestamp() - now
        except (KeyError, ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), LONGEST)


def _number(said: str | None, unit: float) -> float | None:
    try:
        number = float(said or "") * unit
    except ValueError:
        return None
    return number if number >= 0 else None


class Cooldowns:
    """`tell` reaches every frontend, this one included. `clock` gives seconds since the epoch."""

    def __init__(
        self,
        settings: RoutingSettings,
        members: Members,
        *,
        tell: Callable[[Cooled], None],
        metrics: Metrics,
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._members = members
        self._tell = tell
        self._metrics = metrics
        self._log = log
        self._clock = clock

    def failed(self, member: Member, why: Reason, after: float | None, others: Sequence[Member]) -> None:
        """Counts it, and cools the member where it has failed often enough: at once where the provider says that it
        was asked too much, for as long as it says by `after`. The last usable one of a group is never cooled.
        """
        now, settings = self._clock(), self._settings
        self._metrics.counter("askonce_deployment_failures_total", member.label, why).inc()
        often = member.failed(now) > settings.allowed_fails
        if settings.cooldown <= 0 or not (often or why is Reason.RATE_LIMITED):
            return
        if all(other.cooled(now) for other in others):
            return
        wait = after if why is Reason.RATE_LIMITED and after is not None else settings.cooldown
        if now + wait > member.cooled_until:
            tell = self._log.debug if member.cooled(now) else self._log.warning  # once for each cooldown
            tell("deployment_cooled", deployment=member.label, reason=why, seconds=round(wait, 1))
            member.cooled_until = now + wait
            self._tell(Cooled(member.id, member.cooled_until))

    def heard(self, event: Cooled) -> None:
        """From any frontend. A clock that is ahead must not cool for ever."""
        member = self._members.known(event.deployment)
        if member is None:
            return
        now = self._clock()
        until = min(event.until, now + max(LONGEST, self._settings.cooldown))
        if until > member.cooled_until:
            member.cooled_until = until
            self._log.debug("deployment_cooled_elsewhere", deployment=member.label, seconds=round(until - now, 1))

    def watched(self) -> None:
        """Shows in the metrics who is cooled."""
        for member in self._members:
            self._metrics.sample("askonce_deployment_cooled", partial(self._cooled, member), member.label)

    def _cooled(self, member: Member) -> float:
        return float(member.cooled(self._clock()))
