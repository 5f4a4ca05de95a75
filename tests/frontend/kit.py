"""What the frontend's parts are tried with: a clock that is told the time, asks, entries, and counted metrics."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from askonce.calls.chat import CHAT
from askonce.calls.endpoint import Body, Endpoint
from askonce.config.settings import Deployment
from askonce.core.control import NOTHING, CacheControl
from askonce.core.entry import JSON, Entry, Lookup, Usage
from askonce.core.events import Answered
from askonce.core.key import CacheKey
from askonce.core.policy import Rules
from askonce.frontend.access.caller import ADMIN
from askonce.frontend.ask import Ask
from askonce.frontend.auth import Gate
from askonce.frontend.deployments import Deployments
from askonce.frontend.keys import Keys
from askonce.frontend.question import Placing, Question
from askonce.telemetry.metrics import Metrics

NOW = 1_800_000_000.0
RULES = Rules(
    enabled=True,
    call_types=frozenset({"completion", "text_completion", "embedding", "transcription"}),
    opt_in=False,
    ttl=600.0,
    max_entry_bytes=1 << 20,
)


class Clock:
    """Stands still until it is moved; with `step` every look at it takes so many seconds."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = NOW
        self._step = step

    def __call__(self) -> float:
        self.now += self._step
        return self.now


def key(number: int, namespace: str = "") -> CacheKey:
    return CacheKey(namespace, f"{number:064x}")


def entry(
    number: int = 1,
    payload: bytes = b'{"answer":42}',
    *,
    media_type: str = JSON,
    stored_at: float = NOW,
    ttl: float | None = 600.0,
    model: str = "gpt-4o",
) -> Entry:
    return Entry(Lookup(key(number)), payload, media_type, stored_at, ttl, model, "completion", Usage(3, 5))


def event(number: int, *payloads: bytes, asked_at: float = NOW) -> Answered:
    """One answer: an entry for each payload."""
    entries = [entry(number * 1000 + n, payload) for n, payload in enumerate(payloads or (b'{"answer":42}',))]
    return Answered(f"event-{number}", asked_at, tuple(entries))


def ask(
    body: Body | None = None,
    *,
    endpoint: Endpoint = CHAT,
    control: CacheControl = NOTHING,
    headers: Mapping[str, str] | None = None,
) -> Ask:
    if body is None:
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    return Ask(endpoint, body, body["model"], endpoint.streamed(body), control, headers or {}, None)


def deployment(pattern: str = "gpt-4o", model: str = "gpt-4o", provider: str = "openai", **more: Any) -> Deployment:
    return Deployment(pattern=pattern, model=model, provider=provider, api_base="http://provider", **more)


def place(
    an_ask: Ask, *deployments: Deployment, namespace: str = "", gate: Gate | None = None, rules: Rules = RULES
) -> Question:
    """The question as a fresh frontend with this configuration sees it."""
    known = Deployments(deployments or [deployment(api_key="sk-own")])
    return Placing(known, gate or Gate(None, None), Keys(namespace), rules).place(an_ask, ADMIN)


def count(metrics: Metrics, name: str, **labels: str) -> float:
    """The value as a scrape sees it, summed over what the labels leave open; 0 when there is no such line."""
    total = 0.0
    for line in metrics.render().decode().splitlines():
        head, _, value = line.rpartition(" ")
        told, _, given = head.partition("{")
        if told == name and all(f'{label}="{wanted}"' in given for label, wanted in labels.items()):
            total += float(value)
    return total


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.005)


async def settle() -> None:
    """Lets every task that can go on go on until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)
