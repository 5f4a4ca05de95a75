"""The stores that stand behind profiles, each with the file that compose/config has for it: a miss, then hits on every
frontend after a writer stored it.

Qdrant is not among them: no package brings its server. Its profile and its file are checked as they stand, by
tests/compose/test_*.py, and its engine by tests/stores.
"""

from pathlib import Path

import aiohttp
import pytest

from tests.compose.asking import ask, client, stream
from tests.compose.podman import TOP, podman
from tests.compose.stack import Stack, until, up

PROFILES = ("s3", "redis-cluster", "redis-sentinel")


def before_the_toy(profile: str) -> str:
    """The file of the profile, with the toy in place of OpenAI."""
    text = (TOP / "compose" / "config" / f"{profile}.yaml").read_text()
    asked = "api_key: os.environ/OPENAI_API_KEY"
    assert asked in text
    return text.replace(asked, "api_key: nothing-to-guard\n      api_base: http://toy:4010/v1")


async def persisted(stack: Stack) -> float:
    total = 0.0
    async with aiohttp.ClientSession() as session:
        for name in stack.names("writer"):
            async with session.get(f"http://{stack.address(name)}:4001/metrics") as said:
                lines = (await said.text()).splitlines()
            total += sum(
                float(line.split()[-1]) for line in lines if line.startswith("askonce_writer_persisted_total{")
            )
    return total


@pytest.mark.timeout(400)
@pytest.mark.parametrize("profile", PROFILES)
async def test_the_store_of_a_profile_keeps_what_was_asked(tmp_path: Path, profile: str) -> None:
    with up(tmp_path / "stack", profile, before_the_toy(profile), ("toy", profile), frontends=2, writers=1) as stack:
        async with client(stack.url, stack.key) as sdk:
            assert "fwd=miss" in await ask(sdk, "Which is the deepest lake?")

            async def stored() -> bool:
                return await persisted(stack) >= 1

            await until("a writer has stored it", stored)
            # frontends that know nothing yet: what they answer from is the store
            names = stack.names("frontend")
            podman("restart", *names)
            stack.healthy(*names)
            await until("the balancer has found them again", lambda: reached(stack))
            first = await ask(sdk, "Which is the deepest lake?")
            assert "; hit" in first
            assert "detail=memory" not in first
            assert "; hit" in await stream(sdk, "Which is the deepest lake?")


async def reached(stack: Stack) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"{stack.url}/health/readiness") as said:
        return said.status == 200
