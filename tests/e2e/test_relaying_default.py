"""Who is asked where a request names no model, and where `/models/` is a provider's to answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.asking import Client
from tests.e2e.relays import Provider, passed, provider, refused
from tests.e2e.solo import solo
from tests.e2e.upstreams import LOCAL, entry
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Scene:
    """`ours` is whoever is meant to be asked, `theirs` everybody else."""

    folder: Path
    nats: NatsServer
    ours: Provider
    theirs: Provider

    @asynccontextmanager
    async def proxy(self, *models: tuple[str, str, str]) -> AsyncIterator[Client]:
        """With entries of name, model, and whose it is."""
        bases = {"ours": self.ours.base, "theirs": self.theirs.base}
        entries = "".join(entry(name, model, bases[whose], "api_key: sk-any") for name, model, whose in models)
        async with solo(self.folder, f"model_list:\n{entries}\n{LOCAL}", self.nats) as client:
            yield client

    @property
    def asked(self) -> tuple[int, int]:
        return len(self.ours.seen), len(self.theirs.seen)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("default")
    nats = NatsServer(folder / "nats")
    nats.start()
    try:
        async with provider() as ours, provider() as theirs:
            yield Scene(folder, nats, ours, theirs)
    finally:
        nats.stop()


OPENAI, CLAUDE = ("a", "openai/a", "theirs"), ("c", "anthropic/claude", "theirs")
OURS = ("b", "openai/b", "ours")
WHOSE = {
    "the first": [OURS, OPENAI],
    "a star before a name": [OPENAI, ("*", "openai/*", "ours")],
    "a star of OpenAI's before a name": [OPENAI, ("openai/*", "openai/*", "ours")],
    "the first star": [OPENAI, ("*", "openai/*", "ours"), ("openai/*", "openai/*", "theirs")],
    "a name before some models' star": [OURS, ("gpt-*", "openai/gpt-*", "theirs")],
    "who has such routes": [("r", "cohere/rerank-3", "theirs"), OURS],
    "who has such routes before a star": [("*", "jina_ai/*", "theirs"), OURS],
    "who can be asked at all": [("*", "bedrock/*", "theirs"), OURS],
    "who speaks OpenAI's API": [("*", "anthropic/*", "theirs"), OURS],
}
ANTHROPICS = {
    "the first": [("d", "anthropic/claude", "ours"), CLAUDE],
    "a star before a name": [OPENAI, CLAUDE, ("*", "anthropic/*", "ours")],
    "who speaks Anthropic's API": [("*", "openai/*", "theirs"), ("d", "anthropic/claude", "ours")],
}


@pytest.mark.parametrize("case", WHOSE)
async def test_without_a_model_one_deployment_that_serves_such_routes_is_asked(scene: Scene, case: str) -> None:
    ours, theirs = scene.asked
    async with scene.proxy(*WHOSE[case]) as client:
        for path in ("/v1/files", "/vector_stores/v-1"):
            passed(await client.send("GET", path))
    assert scene.asked == (ours + 2, theirs)


@pytest.mark.parametrize("case", ANTHROPICS)
async def test_without_a_model_anthropics_routes_go_to_one_of_its_deployments(scene: Scene, case: str) -> None:
    ours, theirs = scene.asked
    async with scene.proxy(*ANTHROPICS[case]) as client:
        for path in ("/v1/messages/batches", "/anthropic/v1/files"):
            passed(await client.send("GET", path))
    assert scene.asked == (ours + 2, theirs)


async def test_where_nobody_serves_such_routes_it_is_404(scene: Scene) -> None:
    before = scene.asked
    async with scene.proxy(("r", "cohere/rerank-3", "theirs"), CLAUDE) as client:
        assert "needs a deployment" in await refused(await client.send("GET", "/v1/files"), 404)
    assert scene.asked == before


async def test_a_model_is_looked_up_here_unless_the_address_says_whose_it_is(scene: Scene) -> None:
    async with scene.proxy(("*", "openai/*", "theirs"), OURS, ("d", "anthropic/claude", "ours")) as client:
        before = scene.asked
        assert (await client.send("GET", "/v1/models/b")).json["id"] == "b"
        assert scene.asked == before
        for method, path, target in (
            ("GET", "/anthropic/v1/models/claude-x", "/v1/models/claude-x"),
            ("GET", "/openai/deployments/b/models/fine", "/v1/models/fine"),
            ("DELETE", "/openai/deployments/b/models/fine", "/v1/models/fine"),
        ):
            passed(await client.send(method, path))
            assert (scene.ours.last.method, scene.ours.last.target) == (method, target)
        passed(await client.send("DELETE", "/v1/models/b"))
        assert (scene.theirs.last.method, scene.theirs.last.target) == ("DELETE", "/v1/models/b")
