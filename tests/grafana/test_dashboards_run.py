"""The dashboards' queries on a real Prometheus that scrapes a real `askonce up`: they say what was done there."""

from pathlib import Path

import aiohttp
import pytest

from tests.e2e.stack import chat, eventually, post, toy_provider, up
from tests.grafana.prometheus import Prometheus
from tests.grafana.reading import queries

QUERIES = {(query.board, query.panel, query.legend): query.asked for query in queries()}
QUESTIONS, AGAIN, FAILED = 4, 3, 2
HITS = QUESTIONS * AGAIN
LATER_HITS, LATER_MISSES = 10, 5
PROMPT, COMPLETION = 0.001, 0.002  # dollars a token


def config(base: str) -> str:
    at = f"api_base: {base}, api_key: k"
    prices = f"input_cost_per_token: {PROMPT}, output_cost_per_token: {COMPLETION}"
    return f"""
model_list:
  - {{model_name: toy, litellm_params: {{model: openai/toy, {at}, {prices}}}}}
  - {{model_name: broken, litellm_params: {{model: openai/toy-error-500, {at}}}}}
litellm_settings: {{cache: true, cache_params: {{type: disk, disk_cache_dir: kept}}}}
"""


async def ask(session: aiohttp.ClientSession, url: str, text: str) -> str:
    status, how, _ = await post(session, url, chat(text))
    assert status == 200
    return how


async def first_load(session: aiohttp.ClientSession, url: str) -> None:
    """Each question once, then each again some times, and some that fail."""
    for text in map(str, range(QUESTIONS)):
        assert "hit" not in await ask(session, url, text)
        for _ in range(AGAIN):
            assert "hit" in await ask(session, url, text)
    for text in map(str, range(FAILED)):
        status, _, _ = await post(session, url, chat(text, model="broken"))
        assert status == 500


async def counted(session: aiohttp.ClientSession, url: str) -> dict[str, float]:
    """The page of metrics, labels and all, as it is now."""
    async with session.get(f"{url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def total(page: dict[str, float], start: str, *parts: str) -> float:
    """All series that start so, and have all these labels."""
    return sum(value for name, value in page.items() if name.startswith(start) and all(part in name for part in parts))


async def settled(session: aiohttp.ClientSession, url: str, requests: int, stored: int) -> None:
    async def told() -> bool:
        page = await counted(session, url)
        done = total(page, "askonce_requests_total{"), total(page, "askonce_writer_persisted_total{")
        return done == (requests, stored)

    assert await eventually(told)


async def check_figures(session: aiohttp.ClientSession, url: str, prometheus: Prometheus) -> None:
    """What came before the first scrape is in the figures: these series were born with it."""
    page = await counted(session, url)
    tokens = {kind: total(page, "askonce_tokens_total{", f'kind="{kind}"') for kind in ("prompt", "completion")}
    spent = tokens["prompt"] * PROMPT + tokens["completion"] * COMPLETION
    requests = QUESTIONS + HITS + FAILED
    asked = {
        ("Hit rate", "hit rate"): HITS / (HITS + QUESTIONS),
        ("Not asked twice", "not asked twice"): HITS / (HITS + QUESTIONS),
        ("Errors", "errors"): FAILED / requests,
        ("Requests", "requests"): requests,
        ("Tokens saved", "saved"): sum(tokens.values()) * AGAIN,
        ("Dollars spent", "spent"): spent,
        ("Dollars saved", "saved"): spent * AGAIN,
        ("Addresses lost", "lost"): 0,
    }
    assert spent > 0
    for (panel, legend), expected in asked.items():
        found = await prometheus.value(session, QUERIES["overview", panel, legend])
        assert found == pytest.approx(expected), panel


async def check_models(session: aiohttp.ClientSession, prometheus: Prometheus) -> None:
    title = "Models in the time shown"
    asked = {"toy": QUESTIONS + HITS, "broken": FAILED, "(no model)": 0}
    for column, expected in (("Requests", asked), ("Hit rate", {"toy": HITS / (HITS + QUESTIONS)})):
        rows = await prometheus.ask(session, QUERIES["models", title, column])
        assert {row["metric"]["model"]: float(row["value"][1]) for row in rows} == pytest.approx(expected)


async def check_lines(session: aiohttp.ClientSession, prometheus: Prometheus) -> None:
    """What Prometheus saw grow."""
    title = "Hit rate: exact, by meaning, in part"
    shares = {"exact": LATER_HITS / (LATER_HITS + LATER_MISSES), "by meaning": 0, "in part": 0}
    for legend, expected in shares.items():
        assert await prometheus.value(session, QUERIES["overview", title, legend]) == pytest.approx(expected), legend
    [fast] = await prometheus.ask(session, QUERIES["overview", "Latency of hits", "p50"])
    [slow] = await prometheus.ask(session, QUERIES["overview", "Latency of misses", "p50"])
    assert float(fast["value"][1]) > 0
    assert float(slow["value"][1]) > 0


async def test_the_dashboards_say_what_was_done(tmp_path: Path) -> None:
    async with (
        toy_provider() as (_, base),
        up(tmp_path / "proxy", config(base), "--frontends", "2") as (url, _),
        aiohttp.ClientSession() as session,
    ):
        await first_load(session, url)
        await settled(session, url, QUESTIONS + HITS + FAILED, QUESTIONS)
        (tmp_path / "prometheus").mkdir()
        prometheus = Prometheus(tmp_path / "prometheus", url.removeprefix("http://"))
        prometheus.start()
        try:

            async def scraped(number: int, lookups: int) -> bool:
                times = await prometheus.ask(session, "count_over_time(askonce_build_info[5m])")
                seen = await prometheus.ask(session, "sum(askonce_lookups_total)")
                enough = times and min(float(one["value"][1]) for one in times) >= number
                return bool(enough and seen and float(seen[0]["value"][1]) == lookups)

            # failed ones were looked up as well
            before = QUESTIONS + HITS + FAILED
            assert await eventually(lambda: scraped(2, before))
            await check_figures(session, url, prometheus)
            await check_models(session, prometheus)
            for number in range(LATER_MISSES):
                await ask(session, url, f"later {number}")
            for _ in range(LATER_HITS):
                assert "hit" in await ask(session, url, "0")
            await settled(session, url, before + LATER_HITS + LATER_MISSES, QUESTIONS + LATER_MISSES)
            assert await eventually(lambda: scraped(4, before + LATER_HITS + LATER_MISSES))
            await check_lines(session, prometheus)
            assert not [key for key, expr in QUERIES.items() if not await prometheus.ask(session, expr)]
        finally:
            prometheus.stop()
