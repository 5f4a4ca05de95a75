"""Each client of this folder, run by its own environment against the whole proxy before the toy provider: its cases,
and what docs/clients.md shows.

Its name keeps it out of `make test`: the environments are made by `make test-clients`, which names this file.
"""

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.docs.reading import SPAN, page, part, rows
from tests.e2e.stack import config, toy_provider, up
from tests.servers import need

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".venv" / "clients"
CASES = {path.parent.name: path for path in sorted(HERE.glob("*/cases.*"))}
PAGE = page("clients.md")
ADDRESS = "http://127.0.0.1:4000"

# Before the wildcard: what is listed to clients by name, and what is asked as Anthropic wants it.
MODELS = """
model_list:
  - model_name: toy
    litellm_params: {model: openai/toy, api_base: %(base)s, api_key: sk-of-the-proxy}
  - model_name: claude-sonnet-4-5
    litellm_params: {model: anthropic/claude-sonnet-4-5, api_base: %(root)s, api_key: sk-ant-of-the-proxy}
"""


def settings(base: str, root: str) -> str:
    return config(base).replace("\nmodel_list:\n", MODELS % {"base": base, "root": root})


@asynccontextmanager
async def proxy(folder: Path) -> AsyncIterator[dict[str, str]]:
    """A proxy that has heard nothing yet, and its provider: clients may ask the same questions."""
    async with toy_provider() as (_, base):
        root = base.removesuffix("/v1")
        async with up(folder, settings(base, root), "--frontends", "1", "--writers", "1") as (url, _):
            yield {"ASKONCE_URL": url, "TOY_URL": root}


def listed() -> dict[str, tuple[str, str]]:
    """The rows of the page's table: packages with their versions, and the heading of the client's part, by folder."""
    found, heading = {}, ""
    for client, packages, folder in rows(PAGE):
        heading = client.partition("](")[0].removeprefix("[") if client.startswith("[") else heading
        found[SPAN.findall(folder)[0]] = (packages, heading)
    return found


def shown(client: str) -> str:
    """The code of the client's part of the page."""
    blocks = re.findall(r"^```(?:python|js)\n(.*?)^```", part_of(client), re.MULTILINE | re.DOTALL)
    assert blocks, client
    return "\n".join(blocks)


def part_of(client: str) -> str:
    return part(PAGE, f"## {listed()[client][1]}")


def command(client: str) -> list[str]:
    cases, made = CASES[client], ENVIRONMENTS / client
    if cases.suffix == ".py":
        return [str(made / "bin" / "python"), str(HERE / "runner.py"), str(cases)]
    need(f"npm, for {client}", str(made) if (made / "node_modules").exists() else None)
    return [need("node", shutil.which("node")), "--test", str(cases)]


def environment(client: str, folder: Path, addresses: dict[str, str]) -> dict[str, str]:
    """What a client needs, nothing of the user's own, and whatever tells others about its use off."""
    ending = {".py": "py", ".cjs": "mjs"}[CASES[client].suffix]
    code = folder / f"page.{ending}"
    code.write_text(shown(client).replace(ADDRESS, addresses["ASKONCE_URL"]))
    modules = ENVIRONMENTS / client / "node_modules"
    (folder / "node_modules").symlink_to(modules)  # a module looks beside itself, whatever NODE_PATH says
    return addresses | {
        "PAGE": str(code),
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "NODE_PATH": str(modules),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LANGSMITH_TRACING": "false",
    }


async def run(client: str, folder: Path, addresses: dict[str, str]) -> tuple[int | None, str]:
    """The exit code and what was printed."""
    process = await asyncio.create_subprocess_exec(
        *command(client), cwd=folder, env=environment(client, folder, addresses), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, output.decode(errors="replace")


@pytest.mark.parametrize("client", CASES)
async def test_client(client: str, tmp_path: Path) -> None:
    async with proxy(tmp_path / "proxy") as addresses:
        code, output = await run(client, tmp_path, addresses)
    assert code == 0, f"{client}:\n{output}"


def locked(client: str) -> dict[str, str]:
    """The version of every package in the client's environment."""
    lock = HERE / client / "package-lock.json"
    if lock.exists():
        packages = json.loads(lock.read_text())["packages"]
        return {name.removeprefix("node_modules/"): package.get("version", "") for name, package in packages.items()}
    text = (HERE / client / "requirements.lock").read_text()
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


def test_the_page_names_every_client_and_its_version() -> None:
    assert sorted(listed()) == sorted(CASES)
    for client, (packages, _) in listed().items():
        versions = locked(client)
        told = re.findall(r"`([\w-]+)` ([\d.]+)", packages)
        assert told
        assert all(f"{versions[name]}.".startswith(f"{version}.") for name, version in told), client


@pytest.mark.parametrize("client", CASES)
def test_a_lock_names_no_registry(client: str) -> None:
    text = "".join(path.read_text() for path in (HERE / client).glob("*lock*"))
    assert text
    assert not re.search(r"https?://|index-url|\"resolved\"", text)
