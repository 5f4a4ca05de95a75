"""Who of a group is asked next: by what each strategy goes, and who is passed over whatever it says."""

from collections import Counter
from typing import Any

import pytest

from askonce.frontend.deployments import Target
from askonce.frontend.routing.strategies import STRATEGIES, Candidate, Scene, choose
from tests.frontend.groups import group, scene
from tests.frontend.kit import NOW

DRAWS = 3000


def drawn(candidates: list[Candidate], by: Scene) -> Counter[str]:
    """How often each was chosen, when nothing changes in between."""
    found = Counter[str]()
    for _ in range(DRAWS):
        chosen = choose(candidates, by)
        assert chosen is not None
        found[chosen.target.model] += 1
    return found


def name(candidates: list[Candidate], by: Scene) -> str | None:
    chosen = choose(candidates, by)
    return None if chosen is None else chosen.target.model


@pytest.mark.parametrize(
    ("members", "shares"),
    [
        ([{}, {}, {}], [1 / 3, 1 / 3, 1 / 3]),
        ([{"weight": 9}, {"weight": 1}], [0.9, 0.1]),
        ([{"weight": 1, "rpm": 900}, {"weight": 1, "rpm": 100}], [0.5, 0.5]),
        ([{"rpm": 900}, {"rpm": 300}], [0.75, 0.25]),
        ([{"tpm": 1000}, {"tpm": 4000}], [0.2, 0.8]),
        ([{"rpm": 100, "tpm": 1}, {"rpm": 100, "tpm": 999}], [0.5, 0.5]),
        ([{"weight": 2}, {}, {"weight": 0}], [1.0, 0.0, 0.0]),
        ([{"weight": 0}, {"weight": 0}], [0.5, 0.5]),
    ],
    ids=["even", "weight", "weight before rpm", "rpm", "tpm", "rpm before tpm", "only who has one", "all zero"],
)
def test_a_shuffle_goes_by_the_first_share_that_anybody_has(members: list[dict[str, Any]], shares: list[float]) -> None:
    found = drawn(group(*members), scene())
    for place, share in enumerate(shares):
        assert abs(found[f"m{place}"] / DRAWS - share) < 0.05


def test_the_least_busy_is_asked_and_of_equals_anybody() -> None:
    members = group({}, {}, {})
    members[0].member.begin(NOW)
    assert set(drawn(members, scene("least-busy"))) == {"m1", "m2"}
    members[1].member.begin(NOW)
    assert name(members, scene("least-busy")) == "m2"
    members[0].member.end()
    assert set(drawn(members, scene("least-busy"))) == {"m0", "m2"}


def timed(*means: float | None, at: float = NOW, streamed: bool = False) -> list[Candidate]:
    members = group(*({} for _ in means))
    for one, mean in zip(members, means, strict=True):
        if mean is not None:
            one.member.took(mean, at, streamed=streamed, samples=10)
    return members


def test_the_fastest_is_asked_and_who_is_unknown_first() -> None:
    fastest = scene("latency-based-routing")
    assert name(timed(0.3, 0.1, 0.2), fastest) == "m1"
    assert name(timed(0.3, 0.1, None), fastest) == "m2"
    busy = timed(0.1, None, None)
    busy[1].member.begin(NOW)
    assert name(busy, fastest) == "m2", "of several that nobody knows yet, the one that has less to do"


def test_who_is_within_the_buffer_of_the_fastest_shares() -> None:
    assert set(drawn(timed(0.14, 0.1, 0.2), scene("latency-based-routing", latency_buffer=0.5))) == {"m0", "m1"}


def test_only_the_last_times_count_and_the_old_are_forgotten() -> None:
    members = timed(9.0, 0.2)
    for _ in range(3):
        members[0].member.took(0.1, NOW + 1, streamed=False, samples=3)
    assert name(members, scene("latency-based-routing", now=NOW + 1)) == "m0"
    assert name(members, scene("latency-based-routing", now=NOW + 3600)) == "m0"
    assert name(members, scene("latency-based-routing", now=NOW + 3600.5)) == "m1", "forgotten, so unknown"


def test_streams_are_compared_with_streams() -> None:
    members = timed(0.1, 0.2)
    members[0].member.took(0.9, NOW, streamed=True, samples=10)
    members[1].member.took(0.5, NOW, streamed=True, samples=10)
    assert name(members, scene("latency-based-routing")) == "m0"
    assert name(members, scene("latency-based-routing", streamed=True)) == "m1"


def test_the_least_used_of_this_minute_is_asked_and_nobody_beyond_a_limit() -> None:
    members = group({"rpm": 3}, {"tpm": 100}, {})
    by = scene("usage-based-routing-v2")
    members[0].member.spend(10, NOW)
    members[1].member.spend(20, NOW)
    members[2].member.spend(30, NOW)
    assert name(members, by) == "m0"
    for _ in range(3):
        members[0].member.begin(NOW)
        members[0].member.end()
    assert name(members, by) == "m1"
    members[1].member.spend(80, NOW)
    assert name(members, by) == "m2"
    assert name(members[:2], by) is None
    assert name(members, scene("usage-based-routing-v2", now=NOW + 60)) is not None
    assert members[0].member.used(NOW + 60) == (0, 0)


def test_limits_of_usage_are_shares_only_for_the_others() -> None:
    one = group({"rpm": 1})
    one[0].member.begin(NOW)
    one[0].member.end()
    assert [by for by in STRATEGIES if choose(one, scene(by)) is None] == ["usage-based-routing-v2"]


def test_the_cheapest_is_asked_and_what_has_no_price_last() -> None:
    prices = {"m0": 3.0, "m1": 1.0, "m2": None}

    def price(target: Target) -> float | None:
        return prices[target.model]

    members = group({}, {}, {})
    assert name(members, scene("cost-based-routing", price=price)) == "m1"
    assert name([members[0], members[2]], scene("cost-based-routing", price=price)) == "m0"
    assert name([members[2]], scene("cost-based-routing", price=price)) == "m2"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_of_several_orders_the_lowest_with_a_usable_member_has_the_turn(strategy: str) -> None:
    members = group({"order": 2}, {"order": 1}, {}, {"order": 1})
    assert set(drawn(members, scene(strategy))) == {"m1", "m3"}
    members[1].member.cooled_until = members[3].member.cooled_until = NOW + 5
    assert name(members, scene(strategy)) == "m0"
    members[0].member.cooled_until = NOW + 5
    assert name(members, scene(strategy)) == "m2"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_where_all_are_cooled_the_first_to_be_well_again_is_asked(strategy: str) -> None:
    members = group({}, {}, {})
    for place, until in enumerate((30, 10, 20)):
        members[place].member.cooled_until = NOW + until
    assert name(members, scene(strategy)) == "m1"
    assert set(drawn(members, scene(strategy, now=NOW + 20))) <= {"m1", "m2"}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_who_is_full_is_not_asked_while_another_is_free(strategy: str) -> None:
    members = group({"max_parallel_requests": 1}, {"max_parallel_requests": 2})
    members[0].member.begin(NOW)
    assert set(drawn(members, scene(strategy))) == {"m1"}
    members[1].member.begin(NOW)
    members[1].member.begin(NOW)
    assert choose(members, scene(strategy)) is None
    members[0].member.end()
    assert name(members, scene(strategy)) == "m0"
