"""Which failures have a deployment left alone, for how long, and who hears of it."""

from email.utils import formatdate
from typing import Any

import pytest

from askonce.config.policies import RoutingSettings
from askonce.core.errors import UpstreamTimeout, UpstreamUnavailable
from askonce.core.events import Cooled
from askonce.frontend.deployments import Deployments
from askonce.frontend.routing.cooldowns import LONGEST, Cooldowns, Reason, reason, retry_after
from askonce.frontend.routing.members import Member, Members
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.frontend.kit import NOW, Clock, count, deployment


class Group:
    """Three deployments of one name; what is told is heard by `other`, another frontend's view of them."""

    def __init__(self, **settings: Any) -> None:
        routing = RoutingSettings(**settings)
        self.clock, self.metrics, self.told = Clock(), Metrics(), list[Cooled]()
        known = Deployments([deployment("m", f"m{n}", api_key="sk-own") for n in range(3)])
        self.known = Members(known.targets)
        self.members = list(self.known)
        log = Log("cooldowns")
        self.cooldowns = Cooldowns(
            routing, self.known, tell=self._tell, metrics=self.metrics, log=log, clock=self.clock
        )
        self.cooldowns.watched()
        elsewhere = Members(known.targets)
        self.other = list(elsewhere)
        self._there = Cooldowns(routing, elsewhere, tell=lambda _: None, metrics=Metrics(), log=log, clock=self.clock)

    def _tell(self, event: Cooled) -> None:
        self.told.append(event)
        self.cooldowns.heard(event)
        self._there.heard(event)

    def fails(self, why: Reason, after: float | None = None, member: int = 0, times: int = 1) -> None:
        one = self.members[member]
        for _ in range(times):
            self.cooldowns.failed(one, why, after, [other for other in self.members if other is not one])

    def cooled(self, members: list[Member] | None = None) -> list[float]:
        """For how long each is still left alone."""
        return [max(0.0, round(one.cooled_until - self.clock.now, 3)) for one in members or self.members]


@pytest.mark.parametrize("why", [one for one in Reason if one is not Reason.RATE_LIMITED])
def test_more_failures_in_a_minute_than_are_allowed_cool(why: Reason) -> None:
    group = Group(allowed_fails=3, cooldown=7.0)
    group.fails(why, times=3)
    assert group.told == []
    group.fails(why)
    assert group.cooled() == [7.0, 0.0, 0.0]
    assert count(group.metrics, "askonce_deployment_failures_total", deployment="m#1", reason=why) == 4


def test_failures_of_another_minute_do_not_count() -> None:
    group = Group(allowed_fails=1)
    group.fails(Reason.SERVER)
    group.clock.now += 60
    group.fails(Reason.SERVER)
    assert group.told == []
    group.clock.now += 59
    group.fails(Reason.SERVER)
    assert len(group.told) == 1


@pytest.mark.parametrize(("after", "wait"), [(None, 5.0), (2.0, 2.0), (30.0, 30.0)])
def test_who_was_asked_too_much_is_cooled_at_once_for_as_long_as_it_says(after: float | None, wait: float) -> None:
    group = Group()
    group.fails(Reason.RATE_LIMITED, after)
    assert group.cooled() == [wait, 0.0, 0.0]


def test_every_frontend_hears_of_it_and_it_ends_everywhere() -> None:
    group = Group(allowed_fails=0, cooldown=5.0)
    group.fails(Reason.TIMEOUT, member=1)
    assert group.cooled() == group.cooled(group.other) == [0.0, 5.0, 0.0]
    assert [event.until for event in group.told] == [NOW + 5]
    assert count(group.metrics, "askonce_deployment_cooled", deployment="m#2") == 1
    group.clock.now += 5
    assert not any(one.cooled(group.clock.now) for one in (*group.members, *group.other))
    assert count(group.metrics, "askonce_deployment_cooled") == 0


def test_the_last_usable_member_is_never_cooled() -> None:
    group = Group(allowed_fails=0)
    for member in range(3):
        group.fails(Reason.SERVER, member=member)
    assert group.cooled() == [5.0, 5.0, 0.0]
    group.fails(Reason.RATE_LIMITED, 60.0, member=2)
    assert group.cooled()[2] == 0.0
    alone = Group(allowed_fails=0)
    alone.cooldowns.failed(alone.members[0], Reason.RATE_LIMITED, 60.0, [])
    assert alone.told == []


def test_a_shorter_cooldown_does_not_end_a_longer_one() -> None:
    group = Group(allowed_fails=0)
    group.fails(Reason.RATE_LIMITED, 60.0)
    group.fails(Reason.SERVER)
    assert group.cooled()[0] == 60.0
    assert len(group.told) == 1


def test_a_cooldown_is_told_once_by_who_decided(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="askonce")
    group = Group(allowed_fails=0, cooldown=5.0)
    for _ in range(3):  # those that were under way fail too
        group.clock.now += 1
        group.fails(Reason.SERVER, member=1)
    lines = [(one.levelname, one.getMessage(), one.fields) for one in caplog.records]  # type: ignore[attr-defined]
    told = {"deployment": "m#2", "reason": "5xx", "seconds": 5.0}
    assert [line for line in lines if line[0] == "WARNING"] == [("WARNING", "deployment_cooled", told)]
    heard = [line for line in lines if line[1] == "deployment_cooled_elsewhere"]
    assert heard == [("DEBUG", "deployment_cooled_elsewhere", {"deployment": "m#2", "seconds": 5.0})] * 3
    group.clock.now += 6
    group.fails(Reason.RATE_LIMITED, 2.0, member=1)
    assert [one.levelname for one in caplog.records].count("WARNING") == 2


def test_zero_never_cools() -> None:
    group = Group(allowed_fails=0, cooldown=0.0)
    group.fails(Reason.RATE_LIMITED, 60.0)
    group.fails(Reason.SERVER, times=9)
    assert group.told == []


def test_what_is_heard_is_bounded_and_what_is_not_known_is_passed_over() -> None:
    group = Group()
    first = group.members[0].id
    group.cooldowns.heard(Cooled(first, NOW + 1e9))
    assert group.cooled() == [LONGEST, 0.0, 0.0]
    group.cooldowns.heard(Cooled("of another proxy", NOW + 5))
    assert len(list(group.known)) == 3


def test_two_proxies_know_a_deployment_by_the_same_id() -> None:
    mine = Deployments([deployment("m", "a", api_key="sk-1"), deployment("m", "a", api_key="sk-2")])
    theirs = Deployments([deployment("m", "a", api_key="sk-1"), deployment("m", "a", api_key="sk-2")])
    assert [one.id for one in mine.targets] == [one.id for one in theirs.targets]
    assert len({one.id for one in mine.targets}) == 2
    assert [one.label for one in mine.targets] == ["m#1", "m#2"]
    assert [one.id for one in mine.route("m", "/chat/completions").targets] == [one.id for one in mine.targets]


def test_only_what_is_the_deployments_fault_is_a_failure() -> None:
    assert reason(UpstreamTimeout("late")) is Reason.TIMEOUT
    assert reason(UpstreamUnavailable("gone")) is Reason.UNAVAILABLE
    found = {status: reason(status) for status in (200, 302, 400, 401, 403, 404, 408, 409, 422, 429, 500, 503, 529)}
    assert {status: why for status, why in found.items() if why} == {
        408: Reason.REQUEST_TIMEOUT, 429: Reason.RATE_LIMITED, 500: Reason.SERVER, 503: Reason.SERVER,
        529: Reason.SERVER,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([("Retry-After", "7")], 7.0),
        ([("retry-after", "0.5")], 0.5),
        ([("Retry-After", "3600")], LONGEST),
        ([("Retry-After", "7"), ("Retry-After-Ms", "250")], 0.25),
        ([("Retry-After", formatdate(NOW + 9, usegmt=True))], 9.0),
        ([("Retry-After", formatdate(NOW - 9, usegmt=True))], 0.0),
        ([("Retry-After", "soon")], None),
        ([("Retry-After", "nan")], None),
        ([("Retry-After", "-1")], None),
        ([("Retry-After", "")], None),
        ([], None),
    ],
)
def test_what_a_provider_says_of_when_to_come_back(headers: list[tuple[str, str]], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds
