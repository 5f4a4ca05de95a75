"""The README's examples, run before the demo's provider: each prints what the page shows."""

import asyncio
import os
import pty
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.stack import environment
from tests.servers import need

README = Path(__file__).parents[2] / "README.md"
ADDRESS = "http://127.0.0.1:4000"
BLOCKS = re.compile(r"```(sh|python)\n((?:(?!```).)*)```\n\n<!-- output -->\n```text\n(.*?)```", re.DOTALL)
STEADY = (
    (re.compile(r'key="[^"]*"'), 'key="…"'),  # the toy's port is part of it
    (re.compile(r"cache-key: .*"), "cache-key: …"),
    (re.compile(r"^Age: \d+$", re.MULTILINE), "Age: 0"),
)


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[str]:
    """`askonce demo` as on a terminal, where it goes on after its tour; gives its address."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "askonce.cli", "demo", stdin=theirs, stdout=theirs, stderr=theirs, env=environment()
    )
    os.close(theirs)
    shown = ""
    try:
        async with asyncio.timeout(60):
            while (found := re.search(r"curl -i (http://\S+)/v1", shown)) is None:
                shown += (await asyncio.to_thread(os.read, ours, 4096)).decode()
        assert re.search(r"asked +\d.*fwd=miss; stored.*asked again +\d.*hit.*as a stream +\d.*hit", shown, re.DOTALL)
        assert "asked 1 time." in shown
        yield found[1]
    finally:
        process.terminate()
        await process.wait()
        os.close(ours)


async def run(language: str, code: str, address: str) -> str:
    command = ["bash", "-c", code] if language == "sh" else [sys.executable, "-c", code]
    process = await asyncio.create_subprocess_exec(
        *(part.replace(ADDRESS, address) for part in command), stdout=asyncio.subprocess.PIPE, env=environment()
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode().replace("\r\n", "\n")


def steady(text: str) -> str:
    for pattern, instead in STEADY:
        text = pattern.sub(instead, text)
    return text


async def test_the_readme_shows_what_its_examples_print(demo: str) -> None:
    need("curl", next((p for p in ("/usr/bin/curl", "/bin/curl") if os.access(p, os.X_OK)), None))
    blocks = BLOCKS.findall(README.read_text())
    assert [language for language, _, _ in blocks] == ["sh", "sh", "python"]
    for language, code, shown in blocks:
        assert steady(await run(language, code, demo)) == steady(shown)
