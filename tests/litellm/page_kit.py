"""LiteLLM's page "Caching": its examples byte for byte, in `page/`, and how they are run before a proxy of ours."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path
from typing import Any

import orjson

from tests.e2e.stack import environment
from tests.servers import need

PAGE = Path(__file__).parent / "page"
_ADDRESS = re.compile(r"http://(0\.0\.0\.0|localhost):4000")
_STATUS = re.compile(r"HTTP/1\.1 (\d+) ")


def example(name: str) -> str:
    return (PAGE / name).read_text()


@dataclass
class Printed:
    """What `curl -i` printed: one answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


async def curl(text: str, url: str) -> list[Any]:
    """The JSON documents that the commands printed, one for each answer."""
    printed = (await _run(["bash", "-c", _ADDRESS.sub(url, text)])).strip()
    decoder, found = json.JSONDecoder(), []
    while printed:
        document, end = decoder.raw_decode(printed)
        found.append(document)
        printed = printed[end:].lstrip()
    return found


async def curl_i(text: str, url: str) -> Printed:
    """The answer to a command that prints the head too; `-i` is added to one that does not."""
    if "curl -i" not in text:
        text = text.replace("curl ", "curl -i ", 1)
    printed = await _run(["bash", "-c", _ADDRESS.sub(url, text)])
    head, _, body = printed.partition("\r\n\r\n")
    status, _, lines = head.partition("\r\n")
    found = _STATUS.match(status)
    assert found, printed
    return Printed(int(found[1]), dict(Parser().parsestr(lines, headersonly=True).items()), body.encode())


async def sdk(text: str, url: str) -> dict[str, Any]:
    """The chat completion that an example of the OpenAI SDK binds, run in a process of its own."""
    code = _ADDRESS.sub(url, text) + "\nprint(chat_completion.model_dump_json())\n"
    read: dict[str, Any] = orjson.loads(await python(code))
    return read


async def python(code: str) -> str:
    """What a Python example prints."""
    return await _run([sys.executable, "-c", code])


async def _run(command: list[str]) -> str:
    found = next((path for path in ("/usr/bin/curl", "/bin/curl") if os.access(path, os.X_OK)), None)
    need("curl", found)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment()
    )
    printed, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    return printed.decode()
