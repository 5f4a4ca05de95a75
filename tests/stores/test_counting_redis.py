"""Counters of several frontends in Redis: exact together, and none waits when Redis is away."""

import asyncio
import random
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
import redis

from askonce.stores.counting.protocol import Claim, Kind
from askonce.telemetry.metrics import Metrics
from tests.redis_cluster import Cluster
from tests.redis_topologies import running
from tests.servers import Valkey
from tests.stores import counting_scene
from tests.stores.counting_scene import PREFIX, OpenCounters, let_in, together, until_passes
from tests.stores.redis_scene import settings_of

StartValkey = Callable[..., Valkey]
open_redis_counters, valkey = counting_scene.open_redis_counters, counting_scene.valkey
_names = count()


def name() -> str:
    return f"key:of-many:{next(_names)}"


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("limit", [60, 1000])
async def test_exactly_as_many_pass_over_all_frontends(
    valkey: Valkey, open_redis_counters: OpenCounters, limit: int, seed: int
) -> None:
    """Bursts of askers, split at random: no more than the limit, and as many as it once more have asked than that."""
    chance = random.Random(seed)
    frontends = [open_redis_counters(settings_of(valkey)) for _ in range(chance.choice((2, 2, 3)))]
    claims = (Claim(name(), requests=limit, tokens=10**6), Claim(name(), requests=2 * limit))
    passed = asked = 0
    while asked < limit + 100:
        burst = chance.choices(frontends, [chance.random() for _ in frontends], k=chance.choice((1, 3, 17, 64)))
        passed += (await let_in(burst, claims))[0]
        asked += len(burst)
        assert passed == min(asked, limit)


async def test_a_frontend_that_asks_for_itself_alone_gets_all_but_what_others_used(
    valkey: Valkey, open_redis_counters: OpenCounters
) -> None:
    one, other = (open_redis_counters(settings_of(valkey)) for _ in range(2))
    claims = (Claim(name(), requests=500),)
    for _ in range(100):
        assert await one.take(claims) is None
    assert (await let_in([other] * 450, claims))[0] == 400


async def test_far_from_a_limit_few_round_trips_are_made(valkey: Valkey, open_redis_counters: OpenCounters) -> None:
    frontend, claims = open_redis_counters(settings_of(valkey), lease=5.0), (Claim(name(), requests=100_000),)
    with redis.Redis(port=valkey.port) as client:
        before = scripts(client)
        for _ in range(2000):
            assert await frontend.take(claims) is None
        assert scripts(client) - before < 200
        assert (await let_in([frontend] * 2000, claims))[0] == 2000
        await frontend.close()
        assert int(client.hget(f"{PREFIX}{claims[0].name}|w", "n") or 0) == 4000


async def test_what_is_asked_in_one_turn_shares_a_round_trip(valkey: Valkey, open_redis_counters: OpenCounters) -> None:
    frontend = open_redis_counters(settings_of(valkey))
    many = [(Claim(name(), parallel=4), Claim("team:together", requests=150)) for _ in range(40)]
    assert await frontend.take((Claim(name(), parallel=1),)) is None
    with redis.Redis(port=valkey.port) as client:
        before = scripts(client)
        told = await asyncio.gather(*(frontend.take(claims) for claims in many for _ in range(4)))
        assert scripts(client) - before == 1
    refused = [one for one in told if one is not None]
    assert len(refused) == 10
    assert {(one.claim.name, one.kind) for one in refused} == {("team:together", Kind.REQUESTS)}


def scripts(client: redis.Redis) -> int:
    """How many the server has run."""
    stats = client.info("commandstats")
    return sum(one["calls"] for command, one in stats.items() if command in {"cmdstat_evalsha", "cmdstat_eval"})


async def test_tokens_are_those_of_all_frontends(valkey: Valkey, open_redis_counters: OpenCounters) -> None:
    one, other = (open_redis_counters(settings_of(valkey)) for _ in range(2))
    claims = (Claim(name(), requests=100_000, tokens=1000),)
    assert await one.take(claims) is None
    assert await other.take(claims) is None
    one.spend(claims, 600)
    other.spend(claims, 400)
    for frontend in (one, other, one):
        assert await refuses(frontend, claims) is Kind.TOKENS


async def refuses(frontend: Any, claims: Any) -> Kind | None:
    """What the next refusal is for; the other frontend's tokens may still be on their way."""
    for _ in range(500):
        told = await frontend.take(claims)
        if told is not None:
            return Kind(told.kind)
        await asyncio.sleep(0.01)
    return None


async def test_places_are_those_of_all_frontends_and_a_closed_one_leaves_its_own(
    valkey: Valkey, open_redis_counters: OpenCounters
) -> None:
    one, other = (open_redis_counters(settings_of(valkey)) for _ in range(2))
    claims = (Claim(name(), parallel=6),)
    assert (await let_in([one] * 4, claims))[0] == 4
    assert (await let_in([one, other] * 5, claims))[0] == 2
    one.release(claims)
    assert await until_passes(other, claims)
    assert (await let_in([one, other], claims))[0] == 0
    await one.close()
    assert await until_passes(other, claims)


async def test_a_dead_frontends_places_are_free_after_a_while_and_a_living_ones_are_not(
    valkey: Valkey, open_redis_counters: OpenCounters
) -> None:
    claims, lasting = (Claim(name(), parallel=1),), (Claim(name(), parallel=1),)
    alive, other = (open_redis_counters(settings_of(valkey), slot=2.0) for _ in range(2))
    dead = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.stores.counting_child", valkey.url, claims[0].name, stdout=asyncio.subprocess.PIPE
    )
    assert dead.stdout is not None
    assert await dead.stdout.readline() == b"taken\n"
    dead.kill()
    await dead.wait()
    assert await alive.take(lasting) is None
    assert await other.take(claims) is not None
    assert await until_passes(other, claims)
    assert await other.take(lasting) is not None


@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_while_redis_is_away_each_counts_for_itself_and_then_goes_on_there(
    start_valkey: StartValkey, open_redis_counters: OpenCounters, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    caplog.set_level("INFO", logger="askonce")
    valkey, seen = start_valkey(), [Metrics(), Metrics()]
    one, other = (open_redis_counters(settings_of(valkey), deadline=0.2, seen=metrics) for metrics in seen)
    assert together(*seen)
    assert await until_passes(one, (Claim(name(), requests=10),))
    (valkey.kill if how == "kill" else valkey.pause)()
    for frontend, metrics in zip((one, other), seen, strict=True):
        claims = (Claim(name(), requests=10, parallel=20, tokens=5),)
        for _ in range(12):  # five failures in a row, and then nothing is asked
            await frontend.take((Claim(name(), requests=1),))
        assert not together(metrics)
        assert (await let_in([frontend] * 15, claims))[0] == 10
        frontend.spend(claims, 5)
        for _ in range(10):
            frontend.release(claims)
    (valkey.start if how == "kill" else valkey.resume)()
    for _ in range(1000):
        if together(*seen):
            break
        await asyncio.sleep(0.01)
    claims = (Claim(name(), requests=10),)
    assert (await let_in([one, other] * 10, claims))[0] == 10
    told = [record.getMessage() for record in caplog.records]
    assert (told.count("limits_not_shared"), told.count("limits_shared")) == (2, 2), "once by each"


async def test_a_user_who_may_run_no_script_is_counted_here(
    start_valkey: StartValkey, open_redis_counters: OpenCounters
) -> None:
    valkey = start_valkey("--rename-command", "EVALSHA", "NO", "--rename-command", "EVAL", "NONE")
    frontend, claims = open_redis_counters(settings_of(valkey)), (Claim(name(), requests=3),)
    assert (await let_in([frontend] * 5, claims))[0] == 3


async def test_a_cluster_counts_in_one_slot(
    tmp_path_factory: pytest.TempPathFactory, open_redis_counters: OpenCounters, metrics: Metrics
) -> None:
    with running(Cluster(tmp_path_factory.mktemp("cluster"))) as servers:
        one, other = (open_redis_counters(servers.settings()) for _ in range(2))
        claims = (Claim(name(), requests=60), Claim(name(), requests=100, parallel=80))
        assert (await let_in([one, other] * 40, claims))[0] == 60
        assert together(metrics)
