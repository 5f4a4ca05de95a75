"""One proxy for all tests of this folder: askonce, or, where COMPARE_LITELLM names its program, LiteLLM.

What is marked `differs` LiteLLM does otherwise, on purpose of ours: there it must fail, and docs/litellm.md says why
under the name that the mark has.
"""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.litellm.behaviours.proxies import Proxy
from tests.litellm.behaviours.proxies import proxy as opened

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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Proxy]:
    async with opened(tmp_path_factory.mktemp("behaviours"), LITELLM) as found:
        yield found
