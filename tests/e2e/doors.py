"""Two real frontends for tests, one open to everybody and one with a master key, and what they refuse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from askonce.toy.provider import Toy
from tests.e2e.asking import Answer, Client
from tests.e2e.stack import Process, parts, toy_provider

LIMIT = 64 * 1024
MASTER = "sk-master-MARKER-of-the-proxy"
MARKER = "MARKER"  # in prompts and keys; never to be seen in logs and metrics
CHAT = "/v1/chat/completions"
MODELS = """
model_list:
  - {{model_name: toy, litellm_params: {{model: openai/toy, api_base: {base}, api_key: sk-MARKER-upstream}}}}
  - {{model_name: claude, litellm_params: {{model: bedrock/claude-sonnet, api_key: sk-ant-MARKER}}}}
litellm_settings:
  cache: true
  cache_params: {{type: local}}
askonce: {{max_body_bytes: 65536, log_level: debug}}
"""


@dataclass
class Scene:
    """One frontend that takes everybody and one with a master key, two processes."""

    toy: Toy
    open: Client
    guarded: Client
    processes: list[Process]


@asynccontextmanager
async def doors(folder: Path) -> AsyncIterator[Scene]:
    """Whatever was asked of them, neither has met a bug of its own by the end."""
    async with (
        toy_provider() as (toy, base),
        parts(folder, MODELS.format(base=base), frontends=0, writers=0) as made,
        aiohttp.ClientSession() as session,
    ):
        urls = await asyncio.gather(made.add_frontend(), made.add_frontend(ASKONCE_MASTER_KEY=MASTER))
        yield Scene(toy, Client(session, urls[0]), Client(session, urls[1]), made.frontends)
        said = "\n".join(process.output for process in made.frontends)
        assert all(word not in said for word in ("request_failed", "flight_failed", "Traceback", MARKER)), said


async def refused(answer: Answer, status: int, param: str | None = None) -> str:
    assert answer.status == status, answer.body
    assert answer.error["param"] == param
    assert answer.cache == {"detail": "refused"}
    return str(answer.error["message"])


# A form by hand: name, more of its disposition, more headers, value.
PART = b'--B\r\nContent-Disposition: form-data; name="%s"%s\r\n%s\r\n%s\r\n'
FILE = PART % (b"file", b'; filename="a.wav"', b"Content-Type: audio/wav\r\n", b"sound")
MODEL = PART % (b"model", b"", b"", b"toy")
FORM = "multipart/form-data; boundary=B"
