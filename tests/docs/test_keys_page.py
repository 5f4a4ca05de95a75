"""The page on keys: its commands do what it says, in its order, and its fields are those that are read."""

import asyncio
import re
import sys
from pathlib import Path

from askonce.frontend.admin.fields import OF_KEYS, OF_TEAMS
from tests.docs.reading import SPAN, page, part, rows
from tests.e2e.solo import solo
from tests.e2e.stack import config, environment, toy_provider
from tests.servers import NatsServer

KEYS = page("keys.md")
ADDRESS = "http://127.0.0.1:4000"
CACHE = "  cache: true\n  cache_params: {type: local}\n"


def test_the_fields_are_those_that_are_read() -> None:
    told: dict[str, set[str]] = {"keys": set(), "teams": set()}
    for names, whose, _ in rows(part(KEYS, "## Fields")):
        for one in whose.split(", "):
            told[one] |= set(SPAN.findall(names))
    assert told == {"keys": set(OF_KEYS), "teams": set(OF_TEAMS)}


async def run(language: str, code: str, address: str) -> str:
    command = ["bash", "-ec", code] if language == "sh" else [sys.executable, "-c", code]
    process = await asyncio.create_subprocess_exec(
        *(one.replace(ADDRESS, address) for one in command),
        stdout=asyncio.subprocess.PIPE,
        env=environment(LITELLM_MASTER_KEY="sk-master-of-the-page"),
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode()


async def test_the_commands_do_what_the_page_says(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats")
    server.start()
    try:
        async with (
            toy_provider() as (_, base),
            solo(tmp_path, config(base, CACHE), server, LITELLM_MASTER_KEY="sk-master-of-the-page") as client,
        ):
            blocks = re.findall(r"```(sh|python)\n(.*?)```", KEYS, re.DOTALL)
            made, used, sdk, changed = [await run(language, code, client.url) for language, code in blocks]
            gone = await client.send("GET", "/v1/models", headers={"x-api-key": "sk-the-key-of-anna-1"})
    finally:
        server.stop()
    assert '"key_alias":"anna"' in made
    assert '"role":"assistant"' in used
    assert sdk.strip()
    assert '"rpm_limit":null' in changed
    assert '"total_count":1' in changed
    assert changed.endswith('{"deleted_keys":["anna"]}')
    assert gone.status == 401
