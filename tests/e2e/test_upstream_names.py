"""What clients may call a model: other names, and stars anywhere."""

import pytest

from tests.e2e import upstreams
from tests.e2e.upstreams import Scene, entry

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene

MODELS = (
    entry("exact", "openai/gpt-exact", "{base}")
    + entry("claudes/*claude*", "openai/*-claude-*", "{base}")
    + entry("claudes/*", "openai/other-*", "{base}")
    + entry("*-mini", "openai/small-*", "{base}")
    + entry("bedrock", "bedrock/titan", "{base}")
)
ALIASES = """
router_settings:
  model_group_alias:
    fast: exact
    quiet: {model: tiny-mini, hidden: true}
    exact-mini: {model: exact}
    away: bedrock
"""


async def test_the_pattern_that_says_the_most_answers(scene: Scene) -> None:
    async with scene.proxy(MODELS) as client:
        for asked, there in (
            ("exact", "gpt-exact"),
            ("claudes/my-claude-3", "my--claude--3"),
            ("claudes/llama-mini", "other-llama-mini"),
            ("gpt-mini", "small-gpt"),
        ):
            assert (await client.chat("stars", model=asked)).status == 200
            assert scene.last_body()["model"] == there
        refused = await client.chat("stars", model="gpt-mini-2")
        assert (refused.status, refused.error["code"]) == (404, "model_not_found")


async def test_an_alias_is_listed_and_answered_and_keeps_its_answers_to_itself(scene: Scene) -> None:
    async with scene.proxy(MODELS, ALIASES) as client:
        listed = (await client.send("GET", "/v1/models")).json["data"]
        assert [model["id"] for model in listed] == ["exact", "fast", "exact-mini"]
        for asked, there in (("fast", "gpt-exact"), ("quiet", "small-tiny"), ("exact-mini", "gpt-exact")):
            assert not (await client.chat("aliases", model=asked)).hit
            assert scene.last_body()["model"] == there
            assert (await client.chat("aliases", model=asked)).hit
            assert (await client.chat("aliases", model=asked, stream=True)).hit
        assert not (await client.chat("aliases", model="exact")).hit, (
            "as in LiteLLM, whose key has the name that was asked"
        )
        away = await client.chat("aliases", model="away")
        assert (away.status, away.error["param"]) == (400, "model")
        assert "`away` cannot be served: provider bedrock is not built yet" in away.error["message"]
