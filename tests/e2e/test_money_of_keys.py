"""What a virtual key and its team have spent is what they caused, on whichever frontend, and a budget ends on all."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.asking import Answer, Client
from tests.e2e.purse import Seller, config, price, seller
from tests.e2e.stack import Parts, eventually, parts
from tests.e2e.two_doors import MASTER, MODELS, Door, bearer

pytestmark = pytest.mark.asyncio(loop_scope="module")
NUMBERS = itertools.count()


@dataclass
class Shop:
    """Two frontends on one queue."""

    parts: Parts
    session: aiohttp.ClientSession
    provider: Seller
    doors: list[Door] = field(init=False)

    def __post_init__(self) -> None:
        self.doors = [Door(Client(self.session, url)) for url in self.parts.urls]

    async def asks(self, at: int, key: str, text: str, status: int = 200, **more: Any) -> Answer:
        answer = await self.doors[at].client.chat(text, model="chat", **more, header_authorization=f"Bearer {key}")
        assert answer.status == status, answer.body
        return answer

    async def key_spent(self, key: str, amount: Decimal) -> bool:
        """Whether each frontend comes to say so."""
        return all([await self._comes(door, amount, "/key/info", key=key) for door in self.doors])

    async def team_spent(self, team: str, amount: Decimal) -> bool:
        return all([await self._comes(door, amount, "/team/info", team_id=team) for door in self.doors])

    async def _comes(self, door: Door, amount: Decimal, path: str, **params: str) -> bool:
        async def same() -> bool:
            answer = await door.get(path, **params)
            told = answer.json.get("info") or answer.json.get("team_info") if answer.status == 200 else {}
            return bool(told) and told["spend"] == float(amount)

        return await eventually(same, within=15)

    async def refused(self, at: int, key: str, text: str, **more: Any) -> bool:
        answer = await self.doors[at].client.chat(text, model="chat", **more, header_authorization=f"Bearer {key}")
        assert answer.status in {200, 422}
        return answer.status == 422


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Shop]:
    async with (
        seller() as (provider, base),
        parts(folder, config(base, MODELS), frontends=1, writers=0) as made,
        aiohttp.ClientSession() as session,
    ):
        await made.add_frontend()  # after the first: its address and its process have the same number
        yield Shop(made, session, provider)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with opened(tmp_path_factory.mktemp("shop")) as one:
        yield one


def fresh(usage: str, more: str = "") -> str:
    return f"{usage} number {next(NUMBERS)} {more}"


async def test_a_key_and_its_team_have_spent_what_they_caused_on_both_frontends(shop: Shop) -> None:
    team = (await shop.doors[0].post("/team/new", {"team_alias": "spenders"})).json["team_id"]
    one, two = [(await shop.doors[n].made(team_id=team))["key"] for n in (0, 1)]
    texts = [fresh("1017/311"), fresh("3/1"), fresh("400/20/300")]
    for text in texts[:2]:
        await shop.asks(0, one, text)
    await shop.asks(1, one, texts[2], stream=True)
    for text in texts:
        assert (await shop.asks(1, two, text)).hit
    await shop.asks(0, one, fresh("9/9", "fail"), status=500)
    other = fresh("77/7")
    await shop.asks(1, two, other, cache={"no-store": True}, stream=True)
    assert await shop.key_spent(one, price("chat", *texts))
    assert await shop.key_spent(two, price("chat", other))
    assert await shop.team_spent(team, price("chat", *texts, other))


@pytest.mark.parametrize("how", [{}, {"stream": True}])
async def test_who_joined_pays_nothing(shop: Shop, how: dict[str, Any]) -> None:
    leader, joiner = [(await shop.doors[0].made())["key"] for _ in range(2)]
    text = fresh("613/41", "held")
    shop.provider.goes_on.clear()
    first = asyncio.create_task(shop.asks(0, leader, text, **how))

    async def asked() -> bool:
        return shop.provider.calls[text] == 1

    assert await eventually(asked)
    second = asyncio.create_task(shop.asks(0, joiner, text, **how))
    # the key is read from the queue first: once it is known, the question joins at once
    assert (await shop.asks(0, joiner, text, status=504, header_cache_control="only-if-cached")).status == 504
    shop.provider.goes_on.set()
    paid, free = await first, await second
    assert not paid.hit
    assert free.hit or free.cache["collapsed"]
    if not how:
        assert (paid.headers["x-litellm-response-cost"], free.headers["x-litellm-response-cost"]) == (
            format(price("chat", text), "f").rstrip("0"),
            "0.0",
        )
    assert shop.provider.calls[text] == 1
    assert await shop.key_spent(leader, price("chat", text))
    assert await shop.key_spent(joiner, Decimal(0))


@pytest.mark.parametrize("whose", ["key", "team"])
async def test_a_budget_that_is_spent_is_refused_on_both_frontends_hits_too(shop: Shop, whose: str) -> None:
    budget = price("chat", "1000/100", "1000/100")
    team = (await shop.doors[0].post("/team/new", {"max_budget": float(budget)} if whose == "team" else {})).json
    key = (
        await shop.doors[0].made(
            team_id=team["team_id"],
            key_alias=f"poor {whose}",
            **({"max_budget": float(budget)} if whose == "key" else {}),
        )
    )["key"]
    kept, more = fresh("1000/100"), fresh("1000/100")
    for at in (1, 0):
        await shop.asks(at, key, kept)
    await shop.asks(0, key, more)
    for at in (0, 1):
        assert await eventually(lambda at=at: shop.refused(at, key, kept))  # type: ignore[misc]
    refusal = await shop.asks(0, key, kept, status=422)
    name = f"Key=poor key (sk-...{key[-4:]})" if whose == "key" else f"Team={team['team_id']}"
    said = f"Budget has been exceeded! {name} Current cost: {float(budget)}, Max budget: {float(budget)}"
    assert (refusal.error["type"], refusal.error["code"], refusal.error["message"]) == ("budget_exceeded", "422", said)
    calls = shop.provider.calls.total()
    for at in (0, 1):
        await shop.asks(at, key, kept, status=422)
        await shop.asks(at, key, fresh("1/1"), status=422, stream=True)
    assert shop.provider.calls.total() == calls
    assert (await shop.asks(1, MASTER, kept)).hit
    if whose == "key":  # more money, and it goes on
        await shop.doors[1].post("/key/update", {"key": key, "max_budget": float(2 * budget)})
        for at in (0, 1):
            assert await eventually(lambda at=at: answered(shop, at, key, kept))  # type: ignore[misc]


async def answered(shop: Shop, at: int, key: str, text: str) -> bool:
    return not await shop.refused(at, key, text)


async def test_spend_that_is_set_to_nothing_begins_anew_on_both_frontends(shop: Shop) -> None:
    budget = price("chat", "1000/100")
    key = (await shop.doors[0].made(max_budget=float(budget)))["key"]
    kept = fresh("1000/100")
    await shop.asks(0, key, kept)
    assert await shop.key_spent(key, budget)
    assert (await shop.doors[1].post("/key/update", {"key": key, "spend": 0})).json["spend"] == 0.0
    for at in (0, 1):
        assert await eventually(lambda at=at: answered(shop, at, key, kept))  # type: ignore[misc]


async def test_answers_from_upstream_tell_a_key_what_it_has_spent(shop: Shop) -> None:
    key = (await shop.doors[0].made())["key"]
    texts = [fresh("50/5")]
    assert "x-litellm-key-spend" not in (await shop.asks(0, key, texts[0])).headers

    async def told() -> bool:
        texts.append(fresh("50/5"))
        answer = await shop.asks(0, key, texts[-1])
        spent = answer.headers.get("x-litellm-key-spend")
        assert spent is None or Decimal(spent) == price("chat", *texts)
        assert "x-litellm-key-spend" not in (await shop.asks(0, key, texts[-1])).headers, "a hit"
        return spent is not None

    assert await eventually(told)
    assert "x-litellm-key-spend" not in (await shop.asks(0, MASTER, fresh("50/5"))).headers


async def test_what_was_spent_is_known_after_nats_was_away(tmp_path: Path) -> None:
    async with opened(tmp_path) as shop:
        key = (await shop.doors[0].made())["key"]
        texts = [fresh("1000/100") for _ in range(6)]
        for at in (0, 1):
            await shop.asks(at, key, texts[at])
        assert await shop.key_spent(key, price("chat", *texts[:2]))
        await shop.asks(0, key, texts[2])
        shop.parts.nats.stop()
        for at in (0, 1):
            await shop.asks(at, key, texts[3 + at])
        shop.parts.nats.start()
        await shop.asks(0, key, texts[5])
        assert await shop.key_spent(key, price("chat", *texts))


async def test_a_frontend_that_stops_hands_on_what_was_spent(tmp_path: Path) -> None:
    async with opened(tmp_path) as shop:
        key = (await shop.doors[0].made())["key"]
        text = fresh("1000/100")
        await shop.asks(1, key, text)
        assert await shop.parts.frontends[1].stop() == 0
        answer = await shop.doors[0].client.send("GET", "/key/info", headers=bearer(MASTER), params={"key": key})
        assert answer.json["info"]["spend"] == float(price("chat", text))


async def test_a_frontend_that_stops_while_nats_is_away_hands_on_what_was_spent_once_it_is_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as shop:
        key = (await shop.doors[0].made())["key"]
        await shop.asks(1, key, fresh("1/1"))
        shop.parts.nats.stop()
        text = fresh("1000/100")
        await shop.asks(1, key, text)
        stopping = asyncio.create_task(shop.parts.frontends[1].stop())
        await asyncio.to_thread(shop.parts.nats.start)
        assert await stopping == 0
        assert "spend_lost" not in shop.parts.frontends[1].output
        del shop.doors[1]
        assert await shop.key_spent(key, price("chat", "1/1", text))
