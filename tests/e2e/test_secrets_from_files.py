"""A proxy whose every secret is in a file: each role has its own login at the queue, and nothing is told of any."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest_asyncio

from askonce.toy.provider import Toy
from tests.bus.up_server import WORDS, UpServer
from tests.e2e.asking import Client
from tests.e2e.stack import Parts, Process, environment, eventually, toy_provider

MASTER, PROVIDERS = "sk-master-0123456789abcdef", "sk-of-the-provider-0123456789"
CONFIG = """
model_list: [{model_name: "*", litellm_params: {model: openai/*, api_base: "BASE", api_key: os.environ/MY_KEY}}]
litellm_settings: {cache: true, cache_params: {type: disk}}
"""


@dataclass
class Place:
    folder: Path
    parts: Parts
    toy: Toy
    client: Client

    def secrets(self, role: str) -> str:
        return str(self.folder / role)


def mounted(folder: Path, **held: str) -> str:
    folder.mkdir()
    for name, value in held.items():
        (folder / name).write_text(f"{value}\n")
    return str(folder)


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    nats = UpServer(tmp_path / "nats")
    nats.start()
    stack = Parts(tmp_path, nats)
    try:
        async with toy_provider() as (toy, base), aiohttp.ClientSession() as session:
            (tmp_path / "config.yaml").write_text(CONFIG.replace("BASE", base))
            keys = {"my_key": PROVIDERS, "askonce_master_key": MASTER, "askonce_host": "127.0.0.1"}
            for role in ("frontend", "writer"):
                login = {"askonce_nats_user": role, "askonce_nats_password": WORDS[role]}
                env = {"ASKONCE_SECRETS_DIR": mounted(tmp_path / role, **login, **keys)}
                await (stack.add_frontend(**env) if role == "frontend" else stack.add_writer(**env))
            yield Place(tmp_path, stack, toy, Client(session, stack.urls[0]))
    finally:
        await stack.stop()
        nats.stop()


def nothing_is_told(text: str) -> bool:
    return not any(secret in text for secret in (MASTER, PROVIDERS, *WORDS.values()))


async def test_frontend_and_writer_do_their_work(place: Place) -> None:
    client, key = place.client, {"header_authorization": f"Bearer {MASTER}"}
    assert (await client.chat("asked once", header_authorization="Bearer sk-another")).status == 401
    assert not (await client.chat("asked once", **key)).hit
    assert place.toy.seen[-1].headers["authorization"] == f"Bearer {PROVIDERS}"
    place.parts.urls.append(await place.parts.add_frontend(ASKONCE_SECRETS_DIR=place.secrets("frontend")))
    other = Client(client.session, place.parts.urls[-1])

    async def kept() -> bool:
        return await other.hits("completion", "asked once", **key)

    assert await eventually(kept), "from the store, so that the writer has written it"
    for process in (*place.parts.frontends, *place.parts.writers):
        assert nothing_is_told(process.output)
        assert nothing_is_told(Path(f"/proc/{process.pid}/cmdline").read_text())
        assert nothing_is_told(Path(f"/proc/{process.pid}/environ").read_text())


async def test_a_check_logs_in_and_says_where_secrets_come_from(place: Place) -> None:
    async def checked(**env: str) -> tuple[int, str]:
        env = environment(ASKONCE_NATS_URL=place.parts.nats.url, ASKONCE_SECRETS_DIR=place.secrets("writer"), **env)
        process = await Process.start("check", "--config", "config.yaml", cwd=place.folder, env=env)
        code = await process.wait()
        assert nothing_is_told(process.output)
        return code, process.output

    code, output = await checked()
    assert code == 0, output
    names = "ASKONCE_HOST, ASKONCE_MASTER_KEY, ASKONCE_NATS_PASSWORD, ASKONCE_NATS_USER, MY_KEY"
    assert f"{names} from {place.secrets('writer')}" in output
    assert "ok   queue: NATS " in output
    code, output = await checked(ASKONCE_NATS_PASSWORD="not-this-one")
    assert code == 1
    assert "FAIL queue: reaching NATS: " in output
