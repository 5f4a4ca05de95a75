"""A provider whose usage stands in what it is asked, and a book that is kept by hand beside what proxies count.

A text says what its answer takes: "17/5 or so" is 17 tokens of prompt and 5 of completion, "17/5/9" that 9 of the
prompt were read from the provider's own cache. To a text with "fail" in it an error is the answer, and from a model
called "broken" too. The answer to "held" waits for `goes_on`, a stream's after its first chunk.
"""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final

import aiohttp
import orjson
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.upstreams import CHUNK, SAID, provider

PRICES: Final = {
    "chat": (Decimal("1.37e-7"), Decimal("5.11e-7"), Decimal("3.3e-8")),
    "second": (Decimal("2.5e-6"), Decimal("1e-5"), Decimal("2.5e-6")),
    "vectors": (Decimal("1.3e-8"), Decimal(0), Decimal("1.3e-8")),
    "listed": (Decimal("1.5e-7"), Decimal("6e-7"), Decimal("7.5e-8")),  # OpenAI's of gpt-4o-mini, from their page
}
"""US dollars of a token of prompt, of completion, and of one that was cached. The last is what genai-prices says."""
_USAGE: Final = re.compile(r"(\d+)/(\d+)(?:/(\d+))?")


def config(base: str, more: str = "") -> str:
    entries = {
        "chat": "input_cost_per_token: 1.37e-7, output_cost_per_token: 5.11e-7, cache_read_input_token_cost: 3.3e-8",
        "second": "input_cost_per_token: 0.0000025, output_cost_per_token: 0.00001",
        "broken": "input_cost_per_token: 1, output_cost_per_token: 1",
        "vectors": "input_cost_per_token: 0.000000013, output_cost_per_token: 0",
        "free": "",
        "listed": "base_model: gpt-4o-mini",
    }
    models = "".join(
        f"  - model_name: {name}\n"
        f'    litellm_params: {{model: openai/{name}-of-nobody, api_base: "{base}", api_key: sk-proxy}}\n'
        f"    model_info: {{{info}}}\n"
        for name, info in entries.items()
    )
    return f"""
model_list:
{models}
litellm_settings: {{num_retries: 0, cache: true, cache_params: {{type: local}}}}
router_settings: {{num_retries: 0, disable_cooldowns: true, fallbacks: [{{broken: [second]}}]}}
{more}
"""


def usage(text: str) -> tuple[int, int, int]:
    found = _USAGE.search(text)
    assert found is not None, text
    return int(found[1]), int(found[2]), int(found[3] or 0)


class Seller:
    """`calls` counts answers by the text that was asked."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.goes_on = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        texts = _texts(body)
        self.calls.update(texts)
        if body["model"].startswith("broken") or "fail" in texts[0]:
            error = {"message": "No.", "type": "server_error", "param": None, "code": None}
            return web.json_response({"error": error, "usage": _told(texts)}, status=500)
        if "input" in body:
            data = [{"object": "embedding", "index": n, "embedding": [n + 0.5]} for n in range(len(texts))]
            return web.json_response({"object": "list", "data": data, "model": "m", "usage": _told(texts)})
        if body.get("stream"):
            return await self._stream(request, body, texts)
        if "held" in texts[0]:
            await self.goes_on.wait()
        return web.json_response({**SAID, "usage": _told(texts)})

    async def _stream(self, request: web.Request, body: Any, texts: list[str]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        events = [CHUNK]
        if body.get("stream_options", {}).get("include_usage"):
            events.append({**CHUNK, "choices": [], "usage": _told(texts)})
        for event in events:
            await response.write(b"data: " + orjson.dumps(event) + b"\n\n")
            if "held" in texts[0]:
                await self.goes_on.wait()
        await response.write(b"data: [DONE]\n\n")
        return response


def _texts(body: Any) -> list[str]:
    if "messages" in body:
        return [body["messages"][0]["content"]]
    return [body["input"]] if isinstance(body["input"], str) else list(body["input"])


def _told(texts: Sequence[str]) -> dict[str, Any]:
    prompt, completion, cached = (sum(one) for one in zip(*map(usage, texts), strict=True))
    told: dict[str, Any] = {"prompt_tokens": prompt, "total_tokens": prompt + completion}
    if completion:
        told |= {"completion_tokens": completion, "prompt_tokens_details": {"cached_tokens": cached}}
    return told


@asynccontextmanager
async def seller() -> AsyncIterator[tuple[Seller, str]]:
    one = Seller()
    async with provider(one.answer) as (_, base):
        try:
            yield one, base
        finally:
            one.goes_on.set()


def price(model: str, *texts: str) -> Decimal:
    asked, answered, read = PRICES[model]
    total = Decimal(0)
    for prompt, completion, cached in map(usage, texts):
        total += (prompt - cached) * asked + cached * read + completion * answered
    return total


class Book:
    """Sums by hand, under the names and labels that /metrics has."""

    def __init__(self) -> None:
        self.sums: defaultdict[tuple[str, ...], Decimal] = defaultdict(Decimal)

    def spent(self, model: str, *texts: str, times: int = 1, call_type: str = "completion") -> None:
        self._put("askonce_tokens_total", "askonce_spent_dollars_total", call_type, model, texts * times)
        if model not in PRICES:
            self.sums["askonce_unpriced_answers_total", "", model, ""] += times

    def saved(self, model: str, *texts: str, call_type: str = "completion") -> None:
        self._put("askonce_tokens_saved_total", "askonce_saved_dollars_total", call_type, model, texts)

    def _put(self, tokens: str, money: str, call_type: str, model: str, texts: Sequence[str]) -> None:
        for prompt, completion, _ in map(usage, texts):
            self.sums[tokens, call_type, model, "prompt"] += prompt
            self.sums[tokens, call_type, model, "completion"] += completion
        if model in PRICES:
            self.sums[money, call_type, model, ""] += price(model, *texts)

    def told(self) -> dict[tuple[str, ...], Decimal]:
        return {of: _rounded(total) for of, total in self.sums.items() if total}


_COUNTED: Final = (
    *("askonce_tokens_total", "askonce_spent_dollars_total", "askonce_unpriced_answers_total"),
    *("askonce_tokens_saved_total", "askonce_saved_dollars_total"),
)


async def counted(session: aiohttp.ClientSession, urls: Sequence[str]) -> dict[tuple[str, ...], Decimal]:
    """The same of all processes together, as they count it; `urls` are one for each process, or one for all."""
    sums: defaultdict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    for url in urls:
        async with session.get(f"{url}/metrics") as answer:
            text = await answer.text()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name in _COUNTED:
                    labels = sample.labels
                    of = (sample.name, *(labels.get(one, "") for one in ("call_type", "model", "kind")))
                    sums[of] += Decimal(repr(sample.value))
    return {of: _rounded(total) for of, total in sums.items() if total}


def _rounded(amount: Decimal) -> Decimal:
    """Metrics are floats: what is left of them at 1e-9 is exact."""
    return round(amount, 9)
