"""The stack of compose.yaml under podman: three frontends and two writers before the toy provider.

Run by `make test-compose` and not with the other tests: it wants root, podman and images made on this machine. The
tests share one stack and leave it whole.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import openai
import pytest

from tests.compose import panels
from tests.compose.asking import WORKERS, ask, client, load, stream
from tests.compose.podman import inspect, podman
from tests.compose.stack import Stack, until, up
from tests.e2e.stack import eventually

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with up(tmp_path_factory.mktemp("stack"), "main", "./config/toy.yaml", ("toy",)) as made:
        yield made


async def scraped(stack: Stack, frontends: int, writers: int) -> None:
    """Waits until Prometheus has so many of each up, and the balancer and itself."""

    async def seen() -> bool:
        async with aiohttp.ClientSession() as session:
            found = await panels.targets(session, stack.prometheus)
        counts = {job: len(instances) for job, instances in found.items()}
        return counts == {"askonce-frontend": frontends, "askonce-writer": writers, "balancer": 1, "prometheus": 1}

    await until(f"{frontends} frontends and {writers} writers up", seen)


def stored(stack: Stack) -> int:
    """How many answers are in Redis."""
    [name] = stack.names("redis")
    counted = 'REDISCLI_AUTH="$(cat /run/secrets/redis_password)" redis-cli dbsize'
    return int(stack.execute(name, "sh", "-c", counted).split()[-1])


async def answers(stack: Stack, name: str) -> float:
    """Requests that one frontend has answered, by its own count."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{stack.address(name)}:4000/metrics") as said:
        lines = (await said.text()).splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("askonce_requests_total{"))


async def all_hits(stack: Stack, texts: list[str]) -> None:
    """Nothing that a client got was lost on its way to the store."""
    async with client(stack.url, stack.key) as sdk:
        assert [text for text in texts if "; hit" not in await ask(sdk, text)] == []


async def test_a_miss_and_then_hits_whichever_frontend_answers(stack: Stack) -> None:
    names = stack.names("frontend")
    assert len(names) == 3
    before = [await answers(stack, name) for name in names]
    entries = stored(stack)
    async with client(stack.url, stack.key) as sdk:
        assert "fwd=miss" in await ask(sdk, "Which is the longest river?")
        await until("the answer is in Redis", lambda: stored(stack) > entries)
        plain = [await ask(sdk, "Which is the longest river?") for _ in range(15)]
        streamed = [await stream(sdk, "Which is the longest river?") for _ in range(15)]
    assert [said for said in plain + streamed if "; hit" not in said] == []
    after: list[float] = []

    async def all_counted() -> bool:
        """Frontends hand on what they have counted a moment later."""
        after[:] = [await answers(stack, name) for name in names]
        return sum(after) - sum(before) == 31

    assert await eventually(all_counted), (before, after)
    assert all(now > was for was, now in zip(before, after, strict=True)), (before, after)


async def test_a_streamed_miss_is_a_hit_for_a_plain_request(stack: Stack) -> None:
    entries = stored(stack)
    async with client(stack.url, stack.key) as sdk:
        assert "fwd=miss" in await stream(sdk, "Which is the highest mountain?")
        await until("the answer is in Redis", lambda: stored(stack) > entries)
        assert "; hit" in await ask(sdk, "Which is the highest mountain?")


async def test_a_wrong_key_is_refused_in_the_shape_of_openai(stack: Stack) -> None:
    async with client(stack.url, "sk-wrong") as sdk:
        with pytest.raises(openai.AuthenticationError) as refused:
            await ask(sdk, "Who am I?")
    assert isinstance(refused.value.body, dict)
    assert {"message", "type", "code"} <= set(refused.value.body)


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "//metrics", "/%6detrics"])
async def test_metrics_are_not_for_those_outside(stack: Stack, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: askonce\r\nConnection: close\r\n\r\n".encode())
    said = await reader.read()
    writer.close()
    assert said.startswith(b"HTTP/1.1 404 ")
    assert b"askonce_requests_total" not in said


async def test_prometheus_finds_every_process(stack: Stack) -> None:
    await scraped(stack, 3, 2)
    async with aiohttp.ClientSession() as session:
        built = await panels.ask(session, stack.prometheus, "count by (process) (askonce_build_info)")
    assert {one["metric"]["process"]: one["value"][1] for one in built} == {"frontend": "3", "writer": "2"}


def test_nothing_runs_as_root_or_may_write_to_its_image(stack: Stack) -> None:
    for name in [*stack.names("frontend"), *stack.names("writer"), *stack.names("toy"), *stack.names("balancer")]:
        status = Path(f"/proc/{stack.pid(name)}/status").read_text()
        ids = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert "0" not in ids["Uid"].split(), name
        assert int(ids["CapEff"], 16) == 0, name
        assert ids["NoNewPrivs"] == "1", name
    for name in stack.names():
        assert inspect(name)["HostConfig"]["ReadonlyRootfs"] is True, name


async def test_stopping_a_frontend_under_load_costs_no_request(stack: Stack) -> None:
    name = stack.names("frontend")[0]
    async with load(stack.url, stack.key, "a stop") as made:
        await asyncio.sleep(2)
        await asyncio.to_thread(podman, "stop", name)
        await asyncio.sleep(2)
        podman("start", name)
        await asyncio.to_thread(stack.healthy, name)
    print(f"\nstopped a frontend: {len(made.answered)} answered, {len(made.begun) + len(made.failed)} failed")
    assert made.begun == made.failed == []
    assert len(made.plain) > 20 < len(made.streamed)
    await all_hits(stack, made.answered)
    await scraped(stack, 3, 2)


async def test_killing_a_frontend_and_a_writer_under_load_costs_only_streams_that_had_begun(stack: Stack) -> None:
    victims = [stack.names("frontend")[1], stack.names("writer")[0]]
    dead = [stack.pid(name) for name in victims]
    async with load(stack.url, stack.key, "a kill") as made:
        await asyncio.sleep(2)
        for name in victims:
            stack.kill(name)
        await until("both are started again", lambda: all(map(alive_again(stack, dead), victims)))
        await asyncio.to_thread(stack.healthy, *victims)
        await asyncio.sleep(2)
    print(
        f"\nkilled: {len(made.answered)} answered, {len(made.begun)} streams broken, {len(made.failed)} others failed"
    )
    assert made.failed == []
    assert len(made.begun) <= WORKERS  # no more than there were under way
    assert len(made.plain) > 20 < len(made.streamed)
    await scraped(stack, 3, 2)
    kept = await kept_of(stack, made.answered)
    print(f"kept: {kept} of {len(made.answered)}")
    # the dead frontend's own answers of the last moments were with nobody else yet
    assert kept >= len(made.answered) - WORKERS


def alive_again(stack: Stack, dead: list[int]):
    return lambda name: stack.pid(name) not in {0, *dead}


async def kept_of(stack: Stack, texts: list[str]) -> int:
    async with client(stack.url, stack.key) as sdk:
        return sum(["; hit" in await ask(sdk, text) for text in texts])


async def test_a_fourth_frontend_is_used_and_scraped_without_a_word(stack: Stack) -> None:
    await asyncio.to_thread(stack.up, "--scale", "frontend=4")
    names = stack.names("frontend")
    assert len(names) == 4
    await scraped(stack, 4, 2)

    async def used() -> bool:
        async with client(stack.url, stack.key) as sdk:
            for _ in range(8):
                await ask(sdk, "Which is the longest river?")
        return await answers(stack, names[3]) > 0

    await until("the fourth has answered", used)


async def test_answers_go_on_while_nats_is_away_and_are_kept_when_it_is_back(stack: Stack) -> None:
    [nats] = stack.names("nats")
    entries = stored(stack)
    await asyncio.to_thread(podman, "stop", nats)
    async with client(stack.url, stack.key) as sdk:
        said = [await ask(sdk, f"without a queue, question {number}") for number in range(12)]
        assert all("fwd=miss" in one for one in said)
        podman("start", nats)
        await asyncio.to_thread(stack.healthy, nats)
        await until("all twelve are in Redis", lambda: stored(stack) >= entries + 12)
        assert "; hit" in await ask(sdk, "without a queue, question 11")


async def test_without_a_frontend_the_balancer_answers_as_openai_would(stack: Stack) -> None:
    names = stack.names("frontend")
    await asyncio.to_thread(podman, "stop", *names)
    try:
        async with client(stack.url, stack.key) as sdk:
            with pytest.raises(openai.InternalServerError) as refused:
                await ask(sdk, "Is anybody there?")
        assert refused.value.status_code == 503
        assert isinstance(refused.value.body, dict)
        assert refused.value.body["type"] == "server_error"
        assert refused.value.response.headers["retry-after"]
    finally:
        podman("start", *names)
        await asyncio.to_thread(stack.healthy, *names)

    async def back() -> bool:
        async with client(stack.url, stack.key) as sdk:
            try:
                return bool(await ask(sdk, "Is anybody there?"))
            except openai.InternalServerError:
                return False

    await until("the balancer has found them again", back)


def test_no_log_and_no_command_line_has_a_secret_or_a_question(stack: Stack) -> None:
    folder = stack.folder / "compose" / "secrets"
    secrets = {path.name: path.read_text() for path in folder.iterdir() if path.stat().st_size}
    assert len(secrets) >= 8
    told = stack.logs()
    assert all(told[name] for name in stack.names("frontend"))
    seen = told | {f"{name}: inspect": str(inspect(name)) for name in stack.names()}
    seen["command lines"] = "\n".join(
        path.read_text(errors="replace") for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)
    )
    found = [(where, what) for where, text in seen.items() for what, secret in secrets.items() if secret in text]
    assert found == []
    assert [where for where, text in told.items() if "longest river" in text or "question 1" in text] == []
