"""The configurations of LiteLLM's page "Caching", run as they stand there: frontends and writers in the test's own
process, before the toy provider and the real server that a configuration names.
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from askonce.config.load import load
from askonce.config.settings import Settings
from askonce.stores.registry import STORES
from askonce.toy.provider import Toy
from tests.config.litellm_blocks import page
from tests.e2e.admin_scene import writing_as
from tests.e2e.asking import Answer, Client
from tests.e2e.queue import administering
from tests.e2e.solo import fronting
from tests.e2e.stack import eventually, toy_provider
from tests.litellm.page_kit import curl, example
from tests.servers import NatsServer

CHAT = "/v1/chat/completions"
MODEL = "gpt-3.5-turbo"  # what the page's examples ask for
# What usage_chat.sh asks.
QUESTION: Mapping[str, Any] = {
    "messages": [{"role": "user", "content": "write a poem about litellm!"}],
    "temperature": 0.7,
}


def own(text: str, reader: Mapping[str, object]) -> str:
    """The page's text with what is the reader's own, such as an address, in the place of what the page has there."""
    for shown, wanted in reader.items():
        assert shown in text, f"the page has no {shown}"
        text = text.replace(shown, str(wanted))
    return text


def argument(name: str, value: object) -> str:
    """The page's line of `.env` for an argument of redis-py."""
    return own(page("redis_argument.env"), {'<redis-kwarg-name> = ""': f'{name} = "{value}"'})


def redis_env(port: int, **more: str) -> str:
    """Step 2 of the page, "Add Redis Credentials to .env", filled in. `more` are further variables that it leaves
    empty.
    """
    given = {"HOST": "127.0.0.1", "PORT": str(port), **more}
    return own(page("redis.env"), {f'REDIS_{name} = ""': f'REDIS_{name} = "{value}"' for name, value in given.items()})


@dataclass
class Desk:
    """Where a reader of the page tries its configurations: a folder for each, a queue, and the provider that files
    without an address of their own find in the environment.
    """

    folder: Path
    nats: NatsServer
    toy: Toy
    base: str

    def load(self, text: str, dotenv: str | None = None, **env: str) -> Settings:
        """The settings of this config.yaml, with this `.env` in the working directory."""
        home = self.folder / f"home-{time.monotonic_ns()}"
        home.mkdir()
        (home / "config.yaml").write_text(text)
        if dotenv is not None:
            (home / ".env").write_text(dotenv)
        given = {"OPENAI_BASE_URL": self.base, "OPENAI_API_KEY": "sk-toy", **env}
        return load(Path("config.yaml"), given, cwd=home)

    def frontend(self, settings: Settings) -> AbstractAsyncContextManager[Client]:
        """One whose memory is empty."""
        return fronting(settings, self.nats)

    @asynccontextmanager
    async def running(self, settings: Settings) -> AsyncIterator[Client]:
        """A frontend, and a writer where there is something to write. At the end nothing is left to the next writer."""
        if not STORES[settings.cache.type].shared:
            async with self.frontend(settings) as client:
                yield client
            return
        async with writing_as(settings, self.nats), administering(self.nats.url, settings.cache.type) as queue:
            async with self.frontend(settings) as client:
                yield client
            assert await queue.empties()

    def asked(self, route: str = CHAT) -> int:
        return self.toy.calls[route]


@dataclass
class Kept:
    """What came of the page's example: the client that asked, and the answer as another frontend has it."""

    client: Client
    answer: Answer


@asynccontextmanager
async def kept(desk: Desk, settings: Settings, model: str = MODEL) -> AsyncIterator[Kept]:
    """What the page promises of every cache, and that the answer is in the store, where a frontend finds it that has an
    empty memory. All still runs.
    """
    async with desk.running(settings) as client:
        hit = await repeated(desk, client, settings, model)
        async with desk.frontend(settings) as other:
            answer = await found(other, {**QUESTION, "model": model})
        assert (answer.body, answer.key) == (hit.body, hit.key)
        assert answer.cache["detail"] == settings.cache.type
        yield Kept(client, answer)


async def repeated(desk: Desk, client: Client, settings: Settings, model: str = MODEL) -> Answer:
    """What the page promises of every cache: the second of two requests that are the same is a hit, and the cache is
    healthy. Gives the answer to a third.
    """
    asked = desk.asked()
    first, second = await curl(own(example("usage_chat.sh"), {MODEL: model}), client.url)
    assert first == second
    assert desk.asked() == asked + 1
    await healthy(client, settings)
    hit = await client.send("POST", CHAT, json={**QUESTION, "model": model})
    assert hit.hit
    assert hit.json == first
    return hit


async def healthy(client: Client, settings: Settings) -> None:
    """By a real write and a real read, which `/cache/ping` makes before it answers."""
    (said,) = await curl(example("ping.sh"), client.url)
    assert said.get("status") == "healthy", said
    assert (said["cache_type"], said["set_cache_response"]) == (settings.cache.type, "success")


async def found(client: Client, question: Mapping[str, Any]) -> Answer:
    """The hit that comes once the store has the answer; nobody else is asked."""
    answers: list[Answer] = []

    async def there() -> bool:
        headers = {"Cache-Control": "only-if-cached"}
        answers.append(await client.send("POST", CHAT, json=question, headers=headers))
        return answers[-1].hit

    assert await eventually(there), answers[-1].body
    return answers[-1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("page")
    nats = NatsServer(folder / "nats")
    nats.start()
    try:
        async with toy_provider() as (toy, base):
            yield Desk(folder, nats, toy, base)
    finally:
        nats.stop()
