"""Runs the commands as their users do, in a process each, and looks for what no output may have."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.e2e.stack import Process, environment, toy_provider

SECRETS = """
general_settings: {master_key: sk-master-SECRET}
environment_variables: {SOME_KEY: env-SECRET}
router_settings: {routing_strategy: simple-shuffle}
guardrails: []
"""


async def run(*arguments: str, cwd: Path, **env: str) -> tuple[int, str]:
    """Exit code and output of one command. Whatever it is, no traceback is shown and no secret."""
    process = await Process.start(*arguments, cwd=cwd, env=environment(**env))
    code = await process.wait()
    clean(process.output)
    return code, process.output


def clean(output: str) -> None:
    assert "Traceback" not in output, output
    assert "SECRET" not in output, output
    assert "never awaited" not in output
    assert "Unclosed" not in output, output


@pytest_asyncio.fixture
async def base() -> AsyncIterator[str]:
    async with toy_provider() as (_, address):
        yield address
