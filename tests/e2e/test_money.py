"""What whole proxies say that was spent and saved, over all of their processes, is what sums done by hand say."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.asking import Answer, Client
from tests.e2e.purse import Book, Seller, config, counted, price, seller, usage
from tests.e2e.stack import eventually, parts, up

WITH_USAGE: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


@asynccontextmanager
async def proxied(how: str, folder: Path, text: str) -> AsyncIterator[Sequence[str]]:
    """Addresses, one for each process, or one for all."""
    if how == "up":
        async with up(folder, text, "--frontends", "2") as (url, _):
            yield [url]
    else:
        async with parts(folder, text, frontends=2, writers=0) as made:
            yield made.urls


class Run:
    """Asks one frontend after the other, and keeps the book."""

    def __init__(self, session: aiohttp.ClientSession, urls: Sequence[str], provider: Seller) -> None:
        self.clients = [Client(session, url) for url in urls]
        self.provider = provider
        self.book = Book()
        self._turns = cycle(self.clients)

    async def asked(self, text: str, model: str = "chat", status: int = 200, **more: Any) -> Answer:
        answer = await next(self._turns).chat(text, model=model, **more)
        assert answer.status == status, answer.body
        return answer

    async def misses(self, text: str, model: str = "chat", **more: Any) -> Answer:
        answer = await self.asked(text, model, **more)
        assert not answer.hit
        self.book.spent(model, text)
        return answer

    async def hits(self, text: str, model: str = "chat", **more: Any) -> Answer:
        answer = await self.asked(text, model, **more)
        assert answer.hit
        assert answer.headers["x-litellm-response-cost"] == "0.0"
        self.book.saved(model, text)
        return answer

    async def embeds(self, texts: list[str], fresh: list[str], found: list[str]) -> Answer:
        answer = await next(self._turns).ask("embedding", "", model="vectors", input=texts)
        assert (answer.status, answer.hit) == (200, not fresh)
        if fresh:
            self.book.spent("vectors", *fresh, call_type="embedding")
        self.book.saved("vectors", *found, call_type="embedding")
        assert answer.json["usage"]["prompt_tokens"] == sum(usage(one)[0] for one in texts)
        return answer


def costs(answer: Answer, model: str, *texts: str) -> bool:
    return answer.headers["x-litellm-response-cost"] == format(price(model, *texts).normalize(), "f")


def counts(told: Any, text: str) -> bool:
    """Whether it is the usage that the text stands for."""
    prompt, completion, cached = usage(text)
    details = told["prompt_tokens_details"]["cached_tokens"]
    return (told["prompt_tokens"], told["completion_tokens"], details) == (prompt, completion, cached)


async def plain_answers(run: Run) -> None:
    for text in ("1017/311 a", "3/1 b", "2048/77/1999 cached there"):
        assert costs(await run.misses(text), "chat", text)
        for _ in range(3):
            assert counts((await run.hits(text)).json["usage"], text)
        streamed = await run.hits(text, **WITH_USAGE)
        assert counts(streamed.chunks[-1]["usage"], text)


async def streams(run: Run) -> None:
    cases: tuple[tuple[str, dict[str, Any]], ...] = (("331/59 s", {"stream": True}), ("997/13/300 t", WITH_USAGE))
    for text, how in cases:
        missed = await run.misses(text, **how)
        assert "x-litellm-response-cost" not in missed.headers
        assert any(chunk.get("usage") for chunk in missed.chunks) == (how is WITH_USAGE)
        assert counts((await run.hits(text)).json["usage"], text)
        for _, again in cases:
            chunks = (await run.hits(text, **again)).chunks
            assert any(chunk.get("usage") for chunk in chunks) == (again is WITH_USAGE)


async def what_is_not_kept(run: Run) -> None:
    for _ in range(2):
        assert costs(await run.misses("71/7 unkept", cache={"no-store": True}), "chat", "71/7 unkept")
        await run.misses("73/11/70 unkept", cache={"no-store": True}, stream=True)
        await run.asked("19/19 fail", status=500)


async def other_models(run: Run) -> None:
    unpriced = await run.misses("500/50 for nothing", "free")
    assert "x-litellm-response-cost" not in unpriced.headers
    await run.hits("500/50 for nothing", "free")
    assert costs(await run.misses("1000/100/64 in a list", "listed"), "listed", "1000/100/64 in a list")
    await run.hits("1000/100/64 in a list", "listed")
    fallen = await run.asked("87/9 falls", "broken")
    assert fallen.headers["x-litellm-model-group"] == "second"
    assert costs(fallen, "second", "87/9 falls")
    run.book.spent("second", "87/9 falls")
    await run.hits("87/9 falls", "second")


async def embeddings(run: Run) -> None:
    one, two, three = "7/0 one", "12/0 two", "30/0 three"
    assert costs(await run.embeds([one], [one], []), "vectors", one)
    assert costs(await run.embeds([two, one], [two], [one]), "vectors", two)
    assert costs(await run.embeds([one, three, two], [three], [one, two]), "vectors", three)
    answer = await run.embeds([three, two, one], [], [three, two, one])
    assert answer.headers["x-litellm-response-cost"] == "0.0"


async def a_joined_pair(run: Run) -> None:
    """Both at the first address. Behind one that several processes share they may each ask."""
    text = "613/41 held"
    plain = [asyncio.create_task(run.clients[0].chat(text, model="chat")) for _ in range(2)]
    streamed = [asyncio.create_task(run.clients[0].chat(f"{text}, streamed", model="chat", stream=True))]

    async def asked() -> bool:
        return len([one for one in run.provider.calls if "held" in one]) == 2

    assert await eventually(asked)
    streamed.append(asyncio.create_task(run.clients[0].chat(f"{text}, streamed", model="chat", stream=True)))
    run.provider.goes_on.set()
    answers = await asyncio.gather(*plain, *streamed)
    assert {one.status for one in answers} == {200}
    for asked_for, two in ((text, answers[:2]), (f"{text}, streamed", answers[2:])):
        calls = run.provider.calls[asked_for]
        assert 1 <= calls <= (2 if len(run.clients) == 1 else 1)
        run.book.spent("chat", asked_for, times=calls)
        run.book.saved("chat", *[asked_for] * sum(one.hit for one in two))
    paid = sorted(one.headers["x-litellm-response-cost"] for one in answers[:2])
    assert paid.count("0.0") == 2 - run.provider.calls[text]


@pytest.mark.parametrize("how", ["up", "parts"])
async def test_sums_over_all_processes_are_those_done_by_hand(tmp_path: Path, how: str) -> None:
    async with (
        seller() as (provider, base),
        proxied(how, tmp_path, config(base)) as urls,
        aiohttp.ClientSession() as session,
    ):
        run = Run(session, urls, provider)
        for part in (plain_answers, streams, what_is_not_kept, other_models, embeddings, a_joined_pair):
            await part(run)
        told = run.book.told()

        async def same() -> bool:
            return await counted(session, urls) == told

        assert await eventually(same, within=5) or await counted(session, urls) == told
