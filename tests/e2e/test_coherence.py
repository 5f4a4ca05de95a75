"""What one frontend was answered the others have at once: before any writer ran, in whichever form it is asked."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from askonce.core.key import CacheKey
from tests.e2e.asking import Answer, Client
from tests.e2e.kept import LOCAL, Backing, backing
from tests.e2e.stack import Parts, config, eventually, parts, toy_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRIES = 1000
IN_FLIGHT = 8


@dataclass
class Pair:
    stack: Parts
    a: Client
    b: Client
    store: Backing


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["disk", "redis"])
async def pair(request, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    folder = tmp_path_factory.mktemp(request.param)
    async with (
        toy_provider() as (_, base),
        backing(request.param, folder) as store,
        parts(folder, config(base, store.settings), frontends=2, writers=2) as stack,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        yield Pair(stack, Client(session, stack.urls[0]), Client(session, stack.urls[1]), store)


async def few_at_once(work: Callable[[int], Coroutine[Any, Any, None]], numbers: Iterable[int]) -> None:
    turn = asyncio.Semaphore(IN_FLIGHT)

    async def one(number: int) -> None:
        async with turn:
            await work(number)

    await asyncio.gather(*map(one, numbers))


async def ask_both(a: Client, b: Client, text: str, number: int) -> tuple[Answer, Answer]:
    """Asks one, then the other; every combination of frontends and forms has its turn."""
    turned, *forms = list(product((False, True), repeat=3))[number % 8]
    first, second = (b, a) if turned else (a, b)
    answers = [await one.chat(text, stream=form) for one, form in zip((first, second), forms, strict=True)]
    return answers[0], answers[1]


async def test_a_second_ask_elsewhere_is_a_hit_although_every_writer_stands_still(pair):
    keys: list[CacheKey] = []
    missed: list[int] = []

    async def ask(number: int) -> None:
        first, second = await ask_both(pair.a, pair.b, f"coherent {number}", number)
        assert (first.status, first.hit, second.status) == (200, False, 200)
        keys.append(first.key)
        if not second.hit:
            missed.append(number)

    for writer in pair.stack.writers:
        writer.signal(signal.SIGSTOP)
    try:
        await few_at_once(ask, range(TRIES))
        assert missed == []
        assert await pair.store.count(keys) == 0, "no writer ran"
    finally:
        for writer in pair.stack.writers:
            writer.signal(signal.SIGCONT)
    assert len(set(keys)) == TRIES
    assert await pair.store.has_all(keys)


async def test_the_parts_of_a_question_may_have_been_answered_in_two_places(pair):
    async def ask(number: int) -> None:
        await pair.a.ask("embedding", f"left {number}")
        await pair.b.ask("embedding", f"right {number}")
        both = await pair.a.ask("embedding", "", input=[f"left {number}", f"right {number}"])
        assert both.hit

    await few_at_once(ask, range(50))


async def test_what_is_deleted_on_one_is_missed_on_the_other_at_once(pair):
    async def delete(number: int) -> None:
        text = f"deleted {number}"
        first, second = await ask_both(pair.a, pair.b, text, number)
        assert second.hit
        told = await pair.a.send("POST", "/cache/delete", json={"keys": [str(first.key)]})
        assert (told.status, told.json) == (200, {"status": "success"})
        assert not await still_hits(pair.b, text)
        assert not await still_hits(pair.a, text)
        deleted.append(first.key)

    deleted: list[CacheKey] = []
    await few_at_once(delete, range(100))

    async def none_is_left() -> bool:
        # A batch that was on its way when its key was deleted puts it, sees the deletion, and takes it out again.
        return await pair.store.count(deleted) == 0

    assert await eventually(none_is_left)


async def still_hits(client: Client, text: str) -> bool:
    """Asked once the frontend has answered anything at all: what lay in its sockets by then has been read."""
    await client.send("GET", "/health/liveliness")
    return await client.hits("completion", text)


async def test_unknown_keys_are_deleted_without_complaint(pair):
    keys = ["0" * 64, "no key at all"]
    told = await pair.b.send("POST", "/cache/delete", json={"keys": keys})
    assert (told.status, told.json) == (200, {"status": "success"})


async def test_a_proxy_without_a_store_is_as_coherent(tmp_path):
    missed: list[int] = []
    left: list[int] = []
    async with (
        toy_provider() as (toy, base),
        parts(tmp_path, config(base, LOCAL), frontends=2, writers=0) as stack,
        aiohttp.ClientSession() as session,
    ):
        a, b = (Client(session, url) for url in stack.urls)

        async def ask(number: int) -> None:
            first, second = await ask_both(a, b, f"local {number}", number)
            if not second.hit:
                missed.append(number)
            if number % 4 == 0:
                await a.send("POST", "/cache/delete", json={"keys": [str(first.key)]})
                if await still_hits(b, f"local {number}"):
                    left.append(number)

        await few_at_once(ask, range(400))
        assert (missed, left) == ([], [])
        assert sum(toy.calls.values()) == 400
