"""One proxy for most tests of this folder: askonce, or, where COMPARE_LITELLM names its program, LiteLLM.

What is marked `differs` LiteLLM does otherwise, on purpose of ours: there it must fail, and docs/litellm.md says why
under the name that the mark has.

Turns with tools before a cache that matches by meaning, which LiteLLM tests too, are not here but with the models and
servers that this takes: tests/e2e/test_semantic.py, in the tests that name tools. A store of vectors that is away is in
test_semantic_outages.py beside it, and which messages are never compared in tests/calls/test_compared.py.
"""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.litellm.behaviours.proxies import Opening, Proxy, opened

LITELLM = os.environ.get("COMPARE_LITELLM")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "differs(name): LiteLLM does otherwise; docs/litellm.md says why under this name"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if LITELLM is None:
        return
    for item in items:
        for mark in item.iter_markers("differs"):
            item.add_marker(pytest.mark.xfail(reason=f"differs: {mark.args[0]}", strict=True))


@pytest.fixture(scope="session")
def opening(tmp_path_factory: pytest.TempPathFactory) -> Opening:
    """Opens a proxy with settings of its own; see `opened`."""
    return lambda **how: opened(tmp_path_factory.mktemp("behaviours"), LITELLM, **how)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def proxy(opening: Opening) -> AsyncIterator[Proxy]:
    async with opening() as found:
        yield found
