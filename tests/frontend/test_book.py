"""The keys that a frontend has seen: read once, and changed and revoked from elsewhere."""

import asyncio

from askonce.frontend.access.records import hashed, key_record, team_record
from tests.frontend import keybook
from tests.frontend.keybook import TTL, Desk
from tests.frontend.kit import count, settle, until

desk = keybook.desk


async def test_a_key_is_read_once_and_then_known(desk: Desk) -> None:
    token = await desk.write("sk-a")
    callers = {await desk.book.key(token) for _ in range(5)}
    assert len(callers) == 1
    assert desk.reads(token) == 1
    seen = desk.book.key(token)
    try:
        seen.send(None)  # nothing is waited for
    except StopIteration as done:
        assert done.value in callers
    assert count(desk.metrics, "askonce_keys_seen") == 1


async def test_those_who_ask_for_one_key_share_a_read_and_reads_are_bounded(desk: Desk) -> None:
    tokens = [await desk.write(f"sk-{number}") for number in range(100)]
    desk.bucket.gate.clear()
    asking = [asyncio.create_task(desk.may(token)) for token in tokens for _ in range(3)]
    leaving = asyncio.create_task(desk.may(tokens[0]))
    await until(lambda: desk.bucket.under_way == 64)
    await settle()
    leaving.cancel()
    desk.bucket.gate.set()
    assert await asyncio.gather(*asking) == [True] * 300
    assert desk.bucket.most == 64
    assert sum(desk.bucket.reads.values()) == 100


async def test_a_key_that_is_none_is_not_looked_for_again_for_a_second(desk: Desk) -> None:
    token = hashed("sk-none")
    assert [await desk.may(token) for _ in range(3)] == [False] * 3
    assert desk.reads(token) == 1
    desk.clock.now += 1.1
    assert not await desk.may(token)
    assert desk.reads(token) == 2


async def test_a_key_that_is_made_is_good_at_once_even_where_it_was_looked_for(desk: Desk) -> None:
    assert not await desk.may(hashed("sk-a"))
    token = await desk.write("sk-a")
    await settle()
    assert await desk.may(token) is True


async def test_a_change_is_heard_without_a_read(desk: Desk) -> None:
    token = await desk.write("sk-a", models=("x",))
    assert await desk.may(token) is True
    for more, may in (({"models": ("y",)}, 403), ({"blocked": True}, 401), ({"expires": 1.0}, 401), ({}, True)):
        await desk.write("sk-a", **more)
        await settle()
        assert await desk.may(token) == may, more
    assert desk.reads(token) == 1
    await desk.there.delete(key_record(token))
    await settle()
    assert await desk.may(token) is False


async def test_what_is_no_record_lets_nobody_in(desk: Desk) -> None:
    token = await desk.write("sk-a")
    assert await desk.may(token) is True
    await desk.there.put(key_record(token), b"not a record")
    await settle()
    assert await desk.may(token) is False
    other = hashed("sk-b")
    found = await desk.there.get(key_record(await desk.write("sk-c")))
    assert found is not None
    await desk.there.put(key_record(other), found.value)
    assert await desk.may(other) is False, "another key's record"


async def test_a_change_of_a_team_is_one_of_its_keys(desk: Desk) -> None:
    await desk.write_team("t", models=("x",))
    ours = [await desk.write(f"sk-{name}", team_id="t") for name in "ab"]
    others = await desk.write("sk-c")
    assert [await desk.may(token) for token in (*ours, others)] == [True] * 3
    await desk.write_team("t", models=("y",))
    await settle()
    assert [await desk.may(token) for token in (*ours, others)] == [403, 403, True]
    await desk.write_team("t", blocked=True)
    await settle()
    assert [await desk.may(token) for token in (*ours, others)] == [401, 401, True]
    assert all(desk.reads(token) == 1 for token in ours)
    await desk.there.delete(team_record("t"))
    await settle()
    assert [await desk.may(token) for token in (*ours, others)] == [False, False, True]


async def test_a_key_moves_to_another_team(desk: Desk) -> None:
    await desk.write_team("t", models=("y",))
    token = await desk.write("sk-a")
    assert await desk.may(token) is True
    await desk.write("sk-a", team_id="t")
    await settle()
    assert await desk.may(token) == 403
    await desk.write("sk-a")
    await settle()
    assert await desk.may(token) is True
    await desk.write_team("t", blocked=True)
    await settle()
    assert await desk.may(token) is True


async def test_a_change_that_overtakes_a_read_counts(desk: Desk) -> None:
    await desk.write_team("t")
    token = await desk.write("sk-a", team_id="t")
    desk.bucket.gate.clear()
    asking = asyncio.create_task(desk.may(token))
    await until(lambda: desk.bucket.under_way == 1)
    await desk.write("sk-a", team_id="t", blocked=True)
    await settle()
    desk.bucket.gate.set()
    assert await asking == 401
    assert await desk.may(token) == 401


async def test_after_its_time_a_key_is_read_again_in_the_background(desk: Desk) -> None:
    token = await desk.write("sk-a")
    assert await desk.may(token) is True
    desk.clock.now += TTL
    desk.bucket.gate.clear()
    assert [await desk.may(token) for _ in range(3)] == [True] * 3
    await settle()
    assert desk.reads(token) == 2
    desk.bucket.gate.set()
    await settle()
    desk.clock.now += TTL - 1
    assert await desk.may(token) is True
    assert desk.reads(token) == 2


async def test_a_key_that_nobody_showed_for_long_is_waited_for(desk: Desk) -> None:
    token = await desk.write("sk-a")
    assert await desk.may(token) is True
    desk.clock.now += 2 * TTL
    desk.bucket.gate.clear()
    asking = asyncio.create_task(desk.may(token))
    await settle()
    assert not asking.done()
    desk.bucket.gate.set()
    assert await asking is True


async def test_what_is_remembered_is_bounded() -> None:
    desk = Desk(most=8)
    await desk.write_team("t")
    tokens = [await desk.write(f"sk-{number}", team_id="t") for number in range(20)]
    for token in tokens:
        await desk.may(token)
        await desk.may(tokens[0])
    assert count(desk.metrics, "askonce_keys_seen") == 8
    assert desk.reads(tokens[0]) == 1, "what is shown often stays"
    assert desk.reads(tokens[1]) == 1
    assert await desk.may(tokens[1]) is True
    assert desk.reads(tokens[1]) == 2
