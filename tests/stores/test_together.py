"""Shared round trips: how many, of what size, and what becomes of those who wait."""

import asyncio
from collections.abc import Sequence

import pytest

from askonce.core.errors import StoreUnavailable
from askonce.stores.protocols import Crowded
from askonce.stores.together import Fetched, Together, Values


class Line:
    """A store that answers, with each key's own name, when it is let."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.trips: list[list[str]] = []
        self.error: Exception | None = None

    async def fetch(self, keys: Sequence[str]) -> Values:
        self.trips.append(list(keys))
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return [key.encode() for key in keys]


async def asked(together: Together, asks: Sequence[Sequence[str]]) -> "list[asyncio.Task[Values]]":
    tasks = [asyncio.create_task(together.get(keys)) for keys in asks]
    for _ in range(4):
        await asyncio.sleep(0)
    return tasks


async def test_the_same_key_travels_once_and_everyone_gets_their_own_order() -> None:
    line = Line()
    tasks = await asked(Together(line.fetch), [["a", "b"], ["b"], ["c", "a", "c"]])
    line.open.set()
    assert await asyncio.gather(*tasks) == [[b"a", b"b"], [b"b"], [b"c", b"a", b"c"]]
    assert line.trips == [["a", "b", "c"]]


async def test_trips_are_bounded_in_size_and_number_and_the_rest_follows() -> None:
    line = Line()
    tasks = await asked(Together(line.fetch), [[str(n)] for n in range(1000)])
    assert [len(trip) for trip in line.trips] == [128] * 4
    line.open.set()
    assert await asyncio.gather(*tasks) == [[b"%d" % n] for n in range(1000)]
    assert [len(trip) for trip in line.trips] == [128] * 7 + [1000 - 7 * 128]


async def test_one_asker_of_many_keys_takes_several_trips() -> None:
    line = Line()
    many = [str(n) for n in range(2048)]
    tasks = await asked(Together(line.fetch), [many, ["a"]])
    line.open.set()
    assert await asyncio.gather(*tasks) == [[key.encode() for key in many], [b"a"]]
    assert [len(trip) for trip in line.trips] == [512, 512, 512, 512, 1]


async def test_one_asker_of_many_keys_gets_all_or_the_outage() -> None:
    line = Line()
    together = Together(line.fetch)
    line.error = StoreUnavailable("redis: cannot be reached")
    (task,) = await asked(together, [[str(n) for n in range(2048)]])
    line.open.set()
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await task
    line.error = None
    assert await together.get(["again"]) == [b"again"]


async def test_what_one_key_meets_is_for_those_alone_who_asked_for_it() -> None:
    async def fetch(keys: Sequence[str]) -> Fetched:
        return [StoreUnavailable("redis: away") if key == "away" else key.encode() for key in keys]

    tasks = await asked(Together(fetch), [["a"], ["a", "away"], ["away"], ["b", "a"]])
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(one) if isinstance(one, StoreUnavailable) else one for one in answers] == [
        [b"a"],
        "redis: away",
        "redis: away",
        [b"b", b"a"],
    ]


async def test_an_asker_of_many_keys_who_leaves_takes_no_further_trip() -> None:
    line = Line()
    together = Together(line.fetch)
    (leaves,) = await asked(together, [[str(n) for n in range(4096)]])
    (stays,) = await asked(together, [["stays"]])
    leaves.cancel()
    line.open.set()
    assert await stays == [b"stays"]
    assert [len(trip) for trip in line.trips] == [512] * 4 + [1]


async def test_nothing_asked_takes_no_trip() -> None:
    line = Line()
    assert await Together(line.fetch).get([]) == []
    assert line.trips == []


async def test_who_left_before_the_trip_does_not_travel() -> None:
    line = Line()
    together = Together(line.fetch)
    blocking = await asked(together, [[f"{trip}.{n}" for n in range(128)] for trip in range(4)])
    leaves, stays = await asked(together, [["leaves"], ["stays"]])
    leaves.cancel()
    line.open.set()
    assert await stays == [b"stays"]
    await asyncio.gather(*blocking)
    assert line.trips[4:] == [["stays"]]


async def test_who_would_wait_behind_too_many_is_refused() -> None:
    line = Line()
    together = Together(line.fetch)
    tasks = await asked(together, [[f"{ask}.{n}" for n in range(2000)] for ask in range(10)])
    tasks += await asked(together, [[f"{ask}.{n}" for n in range(2000)] for ask in (10,)])
    with pytest.raises(Crowded, match="waiting"):
        await together.get([f"more {n}" for n in range(2000)])
    line.open.set()
    assert [len(values) for values in await asyncio.gather(*tasks)] == [2000] * 11
    assert await together.get(["again"]) == [b"again"]


async def test_an_outage_reaches_every_asker_and_not_the_next() -> None:
    line = Line()
    together = Together(line.fetch)
    line.error = StoreUnavailable("redis: cannot be reached")
    tasks = await asked(together, [["a"], ["b"]])
    line.open.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(one) for one in outcomes] == ["redis: cannot be reached"] * 2
    assert outcomes[0] is not outcomes[1]
    line.error = None
    assert await together.get(["a"]) == [b"a"]


async def test_a_bug_leaves_nobody_waiting_and_is_heard_of() -> None:
    line = Line()
    together = Together(line.fetch)
    heard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: heard.append(context["exception"]))
    line.error = ZeroDivisionError("a bug")
    line.open.set()
    with pytest.raises(StoreUnavailable):
        await together.get(["a"])
    await asyncio.sleep(0)
    line.error = None
    assert await together.get(["a"]) == [b"a"]
    assert [type(error) for error in heard] == [ZeroDivisionError]
