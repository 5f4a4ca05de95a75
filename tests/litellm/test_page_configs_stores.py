"""The page's configurations without Redis, run: memory, the disk, and S3, before a real server of it. The folder, the
endpoint and the keys are ours.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from askonce.config.settings import Settings
from askonce.core.entry import Lookup
from askonce.core.errors import ConfigError
from tests.config.litellm_blocks import page
from tests.e2e.asking import Answer, Client
from tests.e2e.kept import disk_reader
from tests.e2e.stack import Process, environment, eventually
from tests.litellm import config_kit
from tests.litellm.config_kit import MODEL, Desk, healthy, kept, own, repeated
from tests.litellm.page_kit import curl, example
from tests.s3_server import KEY, SECRET, SeaweedFS

pytestmark = pytest.mark.asyncio(loop_scope="module")
desk = config_kit.desk

COMMAND = "$ litellm --config /path/to/config.yaml"  # the page's step 3


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """With the page's buckets, which are empty."""
    server = SeaweedFS(tmp_path_factory.mktemp("s3"))
    server.start()
    for name in ("cache-bucket-litellm", "your-s3-bucket-name"):
        server.client().create_bucket(Bucket=name)
    yield server
    server.kill()


def objects(server: SeaweedFS, name: str) -> list[str]:
    return [one["Key"] for one in server.client().list_objects_v2(Bucket=name).get("Contents", ())]


async def in_memory(desk: Desk, settings: Settings) -> Answer:
    """The hit on the page's example, where memory is all there is."""
    async with desk.running(settings) as client:
        return await repeated(desk, client, settings)


async def test_local_answers_a_repeat_from_memory(desk: Desk):
    assert (await in_memory(desk, desk.load(page("local.yaml")))).cache["detail"] == "memory"


async def test_the_life_of_key_objects_is_in_force_once_it_is_a_number(desk: Desk):
    """The page's own `<your-number>` is none, and whoever forgot to fill it in is told so."""
    with pytest.raises(ConfigError, match=r"general_settings\.user_api_key_cache_ttl: must be a number"):
        desk.load(page("user_key_ttl.yaml") + page("local.yaml"))
    settings = desk.load(own(page("user_key_ttl.yaml"), {"<your-number>": "45"}) + page("local.yaml"))
    assert settings.ignored == ()
    assert settings.access.key_ttl == 45.0
    assert (await in_memory(desk, settings)).hit


async def test_the_command_of_the_page_keeps_answers_on_the_disk(desk: Desk, tmp_path: Path):
    """LiteLLM's name in the command is ours here, the folders are the test's, and the port is a free one."""
    there, working = tmp_path / "there", tmp_path / "working"
    there.mkdir()
    working.mkdir()
    (there / "config.yaml").write_text(own(page("disk.yaml"), {"/tmp/litellm-cache": there / "cache"}))
    command = own(COMMAND, {"$ litellm": "askonce up", "/path/to": there}).split()
    env = environment(OPENAI_BASE_URL=desk.base, OPENAI_API_KEY="sk-toy")
    process = await Process.start(*command[1:], "--port", "0", "--frontends", "1", cwd=working, env=env)
    try:
        url = (await process.line(r"^ready: (http://\S+)/v1"))[1]
        async with aiohttp.ClientSession() as session:
            hit = await repeated(desk, Client(session, url), desk.load(page("disk.yaml")))
        reader = disk_reader(there / "cache")

        async def written() -> bool:
            return (await reader.get([Lookup(hit.key)]))[0] is not None

        assert await eventually(written)
        await reader.close()
    finally:
        await process.stop()


async def test_s3_keeps_answers_in_the_bucket(desk: Desk, bucket: SeaweedFS):
    text = own(page("s3.yaml"), {"https://s3.amazonaws.com": bucket.url})
    settings = desk.load(text, AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET)
    async with kept(desk, settings) as found:
        names = objects(bucket, "cache-bucket-litellm")
        assert any(str(found.answer.key) in name for name in names), names


async def test_all_supported_parameters_with_values_put_in(desk: Desk, bucket: SeaweedFS):
    """What the page shows as types is given a value, and the whole stands where it belongs."""
    reader = {
        "Optional[float]": "600",
        "Optional[Int]": "10",
        "Optional[str] = None,": "team",
        "your_s3_bucket_name": "your-s3-bucket-name",  # no bucket may have another
        "https://s3.amazonaws.com": bucket.url,
        "your_access_key": KEY,
        "your_secret_key": SECRET,
        "your_session_token": "",
    }
    text = re.sub("^", "  ", own(page("supported_params.yaml"), reader), flags=re.MULTILINE)
    async with kept(desk, desk.load(f"litellm_settings:\n  cache: true\n{text}")) as found:
        assert found.answer.key.namespace == "team"
        names = objects(bucket, "your-s3-bucket-name")
        assert any(found.answer.key.digest in name for name in names), names


async def test_all_supported_parameters_as_they_stand_there_are_told_to_belong_elsewhere(desk: Desk):
    settings = desk.load(page("supported_params.yaml") + page("local.yaml"))
    assert settings.ignored == ("cache_params: belongs into litellm_settings",)
    assert (await in_memory(desk, settings)).hit


async def test_default_off_caches_for_those_who_ask_for_it(desk: Desk):
    """The page's own examples of opting in ask for a model that this configuration does not have."""
    text = own(page("default_off.yaml"), {"https://exampleopenaiendpoint-production.up.railway.app/": f"{desk.base}/"})
    async with desk.running(settings := desk.load(text)) as client:
        asked = desk.asked()
        first, second = await curl(own(example("usage_chat.sh"), {MODEL: "fake-openai-endpoint"}), client.url)
        assert first["id"] != second["id"]
        assert desk.asked() == asked + 2
        opting_in = own(example("use_cache.sh"), {MODEL: "fake-openai-endpoint", "True}": "true},"})
        answers = [await curl(opting_in, client.url) for _ in range(2)]
        assert answers[0] == answers[1]
        assert desk.asked() == asked + 3
        assert desk.toy.seen[-1].headers["authorization"] == "Bearer fake-key"
        await healthy(client, settings)
