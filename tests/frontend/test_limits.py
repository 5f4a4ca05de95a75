"""How the limiter refuses, and what it counts for whom."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from askonce.core.errors import RequestError
from askonce.frontend.access.caller import ADMIN, Caller
from askonce.frontend.limits import FREE, Limiter, refusal
from askonce.stores.counting.local import LocalCounters
from askonce.stores.counting.protocol import Claim, Exceeded, Kind
from askonce.telemetry.metrics import Metrics

HASH = "0123456789abcdef" * 4
NOW = 1_800_000_000.25


def limiter(metrics: Metrics | None = None) -> Limiter:
    return Limiter(LocalCounters(lambda: 0.0), metrics, clock=lambda: NOW)


def caller(*claims: Claim) -> Caller:
    return Caller(name=HASH, limits=claims)


async def test_who_is_not_limited_costs_nothing() -> None:
    assert await limiter().admit(ADMIN, "toy") is FREE
    assert await Limiter(None).admit(caller(Claim(f"key:{HASH}", requests=0)), "toy") is FREE
    FREE.spend(5)
    FREE.end()


async def test_a_refusal_has_litellms_words_and_headers_and_never_the_whole_hash() -> None:
    one = caller(Claim(f"key:{HASH}", requests=2))
    limits = limiter(metrics := Metrics())
    for _ in range(2):
        await limits.admit(one, "toy")
    with pytest.raises(RequestError) as raised:
        await limits.admit(one, "toy")
    error = raised.value
    resets = datetime.fromtimestamp(NOW + 60, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    assert error.message == (
        "Rate limit exceeded for api_key: 01234567…. Limit type: requests. Current limit: 2, Remaining: 0. "
        f"Limit resets at: {resets}"
    )
    assert (error.status, error.type, error.code) == (429, "rate_limit_error", "rate_limit_exceeded")
    assert error.headers == {"retry-after": "60", "rate_limit_type": "requests", "reset_at": resets}
    assert b'askonce_limited_total{kind="requests"} 1.0' in metrics.render()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (f"key:{HASH}", "api_key: 01234567…"),
        (f"team:{HASH}", "team: 01234567…"),
        (f"key:{HASH}:model:gpt-4o", "api_key: 01234567…:model:gpt-4o"),
        ("model:gpt-4o", "model: gpt-4o"),
        ("all", "global"),
    ],
)
def test_what_is_limited_is_named(name: str, shown: str) -> None:
    error = refusal(Exceeded(Claim(name, tokens=9), Kind.TOKENS, 9, 12.5), NOW)
    assert error.message.startswith(f"Rate limit exceeded for {shown}. Limit type: tokens. Current limit: 9, ")
    assert error.headers["retry-after"] == "13"
    assert HASH not in error.message


@pytest.mark.parametrize(("seconds", "header"), [(-1.0, "1"), (0.001, "1"), (1.0, "1"), (1.001, "2"), (59.9, "60")])
def test_the_wait_is_whole_seconds_and_one_at_least(seconds: float, header: str) -> None:
    assert refusal(Exceeded(Claim("all"), Kind.REQUESTS, 1, seconds), NOW).headers["retry-after"] == header


async def test_the_end_of_a_request_frees_its_place_once() -> None:
    one, limits = caller(Claim("all", parallel=2)), limiter()
    first, _ = [await limits.admit(one, "toy") for _ in range(2)]
    first.end()
    first.end()
    await limits.admit(one, "toy")
    with pytest.raises(RequestError, match="Limit type: max_parallel_requests"):
        await limits.admit(one, "toy")


async def test_a_place_is_taken_for_as_long_as_an_answer_is_on_its_way_for_who_left() -> None:
    one, limits = caller(Claim("all", parallel=1)), limiter()
    admission = await limits.admit(one, "toy")
    admission.hold()
    admission.end()
    with pytest.raises(RequestError, match="Limit type: max_parallel_requests"):
        await limits.admit(one, "toy")
    admission.end()
    await limits.admit(one, "toy")


async def test_an_answer_that_nobody_waited_for_is_counted_all_the_same() -> None:
    one, limits = caller(Claim(f"key:{HASH}", tokens=10)), limiter()
    admission = await limits.admit(one, "toy")
    admission.end()
    admission.spend(10)
    with pytest.raises(RequestError, match=re.escape("Limit type: tokens. Current limit: 10")):
        await limits.admit(one, "toy")


async def test_a_limit_of_one_model_leaves_the_others_alone() -> None:
    def of(model: str) -> Sequence[Claim]:
        return (Claim(f"key:{HASH}:model:{model}", requests=1),)

    one = Caller(name=HASH, model_limits={"small": tuple(of("small"))})
    limits = limiter()
    await limits.admit(one, "small")
    assert [await limits.admit(one, "large") for _ in range(3)] == [FREE] * 3
    with pytest.raises(RequestError):
        await limits.admit(one, "small")
