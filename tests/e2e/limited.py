"""Frontends with a master key, and virtual keys with limits that are made through the first of them."""

from dataclasses import dataclass

import aiohttp

from tests.e2e.gated import Gated
from tests.e2e.stack import Parts, chat, config

MASTER = "sk-the-master-of-these-limits"


@dataclass
class Scene:
    """`key` makes a virtual key through the first frontend."""

    provider: Gated
    parts: Parts
    session: aiohttp.ClientSession

    @property
    def urls(self) -> list[str]:
        return self.parts.urls

    async def key(self, **fields: object) -> str:
        headers = {"Authorization": f"Bearer {MASTER}"}
        async with self.session.post(f"{self.urls[0]}/key/generate", json=fields, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return str((await answer.json())["key"])

    async def ask(self, url: str, key: str, text: str, **more: object) -> tuple[int, str]:
        """Status, and where the answer came from, or which limit was met."""
        headers = {"Authorization": f"Bearer {key}"}
        async with self.session.post(f"{url}/v1/chat/completions", json=chat(text, **more), headers=headers) as answer:
            await answer.read()
            return answer.status, answer.headers.get("rate_limit_type") or answer.headers.get("Cache-Status", "")

    async def metrics(self, url: str) -> str:
        async with self.session.get(f"{url}/metrics") as answer:
            return await answer.text()


def limited(base: str, cache: str, valkey: int | None) -> str:
    """A config.yaml; `valkey` is the port where limits are counted, None for each process by itself."""
    shared = "" if valkey is None else f"  coordination_redis: {{host: 127.0.0.1, port: {valkey}}}\n"
    return config(base, cache, f"general_settings:\n  master_key: {MASTER}\n{shared}")
