"""Frontends with a configuration of their cache each, and one provider behind them, which counts."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from askonce.toy.provider import Toy
from tests.e2e import messages
from tests.e2e.asking import EVERY_TYPE, Answer, Client
from tests.e2e.solo import solo
from tests.e2e.stack import config, toy_provider
from tests.servers import NatsServer

CACHES = {
    "plain": "{type: local}",
    "opt_in": "{type: local, mode: default_off}",
    "none": "{type: local, supported_call_types: []}",
    "some": "{type: local, supported_call_types: [acompletion, embedding, aresponses, speech]}",
    "others": "{type: local, supported_call_types: [atext_completion, transcription, anthropic_messages, arerank]}",
    "team": "{type: local, namespace: team}",
    "brief": "{type: local, ttl: 0}",
}


@dataclass
class Scene:
    toy: Toy
    clients: dict[str, Client]

    @property
    def plain(self) -> Client:
        return self.clients["plain"]

    @property
    def asked(self) -> int:
        """How often the provider was asked so far."""
        return sum(self.toy.calls.values())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("controls")
    nats = NatsServer(folder / "nats")
    nats.start()
    try:
        async with AsyncExitStack() as stack:
            toy, base = await stack.enter_async_context(toy_provider())
            clients = {}
            for name, params in CACHES.items():
                text = config(base, f"  cache: true\n  cache_params: {params}\n")
                clients[name] = await stack.enter_async_context(solo(folder, text, nats))
            clients["off"] = await stack.enter_async_context(solo(folder, config(base, "  cache: false\n"), nats))
            yield Scene(toy, clients)
    finally:
        nats.stop()


every_route = pytest.mark.parametrize("call_type", EVERY_TYPE)


def error(call_type: str, answer: Answer) -> dict[str, Any]:
    """An error of the proxy's own, which has the shape of the route's API."""
    return messages.error(answer) if call_type == "anthropic_messages" else answer.error
