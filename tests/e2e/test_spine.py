"""`askonce up` as a whole: asked, kept by a writer, found again after everything was stopped; and how it stops."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.asking import Answer, Client
from tests.e2e.gated import WORDS, Gated, gated_provider
from tests.e2e.kept import LOCAL, UNNAMED, Backing, backing
from tests.e2e.queue import admin_url, administering
from tests.e2e.stack import Process, config, eventually, toy_provider, up

ROLES = ("frontend", "writer", "nats-server")


@asynccontextmanager
async def proxy(folder: Path, text: str, *arguments: str) -> AsyncIterator[tuple[Client, Process]]:
    async with up(folder, text, *arguments) as (url, process), aiohttp.ClientSession() as session:
        yield Client(session, url), process


def pids(process: Process) -> list[int]:
    found = [process.children(role) for role in ROLES]
    assert all(found)
    return [process.pid, *(pid for role in found for pid in role)]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def refused(client: Client) -> bool:
    host, _, port = client.url.removeprefix("http://").partition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def is_healthy(client: Client) -> bool:
    answer = await client.send("GET", "/cache/ping")
    return answer.status == 200 and answer.json["status"] == "healthy"


@pytest.mark.parametrize("kind", ["disk", "redis"])
async def test_an_answer_is_persisted_by_a_writer_and_outlives_the_proxy(tmp_path, kind):
    async with toy_provider() as (toy, base), backing(kind, tmp_path) as store:
        text = config(base, store.settings)
        async with proxy(tmp_path, text) as (client, process):
            key = await check_the_way_of_an_answer(client, process, store, tmp_path / ".askonce")
            assert await eventually(lambda: is_healthy(client))
        assert await process.wait() == 0
        kept = await store.entry(key)
        assert kept is not None
        async with proxy(tmp_path, text) as (client, _):
            again = await client.chat("What is kept?")
            assert (again.hit, again.cache["detail"], again.body) == (True, store.kind, kept.payload)
        assert toy.calls["/v1/chat/completions"] == 1


async def check_the_way_of_an_answer(client: Client, process: Process, store: Backing, data_dir: Path):
    """Miss, hit; from the queue into the store, by the writer and nobody else. Gives the key."""
    (writer,) = process.children("writer")
    async with administering(admin_url(data_dir), store.kind) as queue:
        os.kill(writer, signal.SIGSTOP)
        try:
            first = await client.chat("What is kept?")
            assert (first.status, first.hit, first.stored) == (200, False, True)
            again = await client.chat("What is kept?")
            assert (again.hit, again.body) == (True, first.body)
            streamed = await client.chat("What is kept?", stream=True)
            assert streamed.hit
            assert len(streamed.chunks) > 1
            assert await eventually(lambda: holds_one(queue.pending))
            assert await store.entry(first.key) is None
        finally:
            os.kill(writer, signal.SIGCONT)
        assert await store.has_all([first.key])
        assert await queue.empties()
    return first.key


async def holds_one(pending: Callable[[], Awaitable[int]]) -> bool:
    return await pending() == 1


async def test_without_a_store_every_frontend_of_a_proxy_has_the_answer(tmp_path):
    async with toy_provider() as (toy, base), proxy(tmp_path, config(base, LOCAL), "--frontends", "2") as (client, _):
        assert not (await client.chat("everywhere")).hit
        connector = aiohttp.TCPConnector(force_close=True)  # so that the kernel chooses a frontend each time
        async with aiohttp.ClientSession(connector=connector) as session:
            for number in range(40):
                assert (await Client(session, client.url).chat("everywhere", stream=number % 2 == 0)).hit
        assert await is_healthy(client)
        assert sum(toy.calls.values()) == 1


async def test_a_stop_waits_for_the_answers_that_are_on_their_way_and_keeps_them(tmp_path):
    async with gated_provider() as (gated, base), backing(UNNAMED, tmp_path) as store:
        gated.head.set()
        text = config(base, store.settings)
        async with proxy(tmp_path, text) as (client, process):
            everybody = pids(process)
            whole = asyncio.create_task(client.chat("in one piece", model="gated"))
            abandoned = await streaming(client, "for nobody")
            await abandoned.content.readuntil(b"\n\n")
            abandoned.close()
            async with streaming(client, "piece by piece") as response:
                keys = [Answer(200, response.headers, b"").key]
                said = await response.content.readuntil(b"\n\n")
                assert await eventually(lambda: begun(gated, 3))
                process.signal(signal.SIGTERM)
                assert await eventually(lambda: refused(client))
                gated.rest.set()
                said += await response.content.read()
            assert all(word.encode() in said for word in WORDS)
            assert said.endswith(b"data: [DONE]\n\n")
            answer = await whole
            assert answer.json["choices"][0]["message"]["content"] == "".join(WORDS)
            keys.append(answer.key)
            assert await process.wait() == 0
            assert [pid for pid in everybody if alive(pid)] == []
            assert await refused(client)
        assert await store.count(keys) == 2
        async with proxy(tmp_path, text) as (client, _):
            for asked in ("in one piece", "for nobody", "piece by piece"):
                assert (await client.chat(asked, model="gated")).hit
        assert gated.calls == 3


def streaming(client: Client, text: str):
    body = {"model": "gated", "messages": [{"role": "user", "content": text}], "stream": True}
    return client.session.post(f"{client.url}/v1/chat/completions", json=body)


async def begun(gated: Gated, answers: int) -> bool:
    return gated.begun == answers


async def test_a_killed_supervisor_leaves_nobody_behind(tmp_path):
    async with toy_provider() as (toy, base):
        async with proxy(tmp_path, config(base), "--frontends", "2") as (client, process):
            answers = await asyncio.gather(*(client.chat(f"before {number}") for number in range(20)))
            everybody = pids(process)
            os.kill(process.children("nats-server")[0], signal.SIGKILL)
            await asyncio.gather(*(client.chat(f"for nobody {number}") for number in range(20)))
            process.signal(signal.SIGKILL)  # with answers on their way to a queue that nobody brings back
            assert await eventually(lambda: all_gone(everybody))
            assert await process.wait() == -signal.SIGKILL
            assert await refused(client)
        async with proxy(tmp_path, config(base)) as (client, _):
            for number, answer in enumerate(answers):
                again = await client.chat(f"before {number}")
                assert (again.hit, again.body) == (True, answer.body)
        assert toy.calls["/v1/chat/completions"] == 40


async def all_gone(everybody: list[int]) -> bool:
    return not any(map(alive, everybody))
