"""Whether a Prometheus has data for every panel and rule: the queries of grafana/dashboards, its own recording rules.

Variables stand at "All". Knows no stack and no load.
"""

from typing import Any, Final

import aiohttp

from tests.grafana.reading import queries

_NO_NUMBER: Final = {"NaN", "+Inf", "-Inf"}


async def ask(session: aiohttp.ClientSession, base: str, expr: str) -> list[dict[str, Any]]:
    """The vector that an expression is now. AssertionError for one that Prometheus does not take."""
    async with session.post(f"{base}/api/v1/query", data={"query": expr}) as answer:
        said = await answer.json()
    assert said["status"] == "success", f"{expr}\n{said.get('error')}"
    found: list[dict[str, Any]] = said["data"]["result"]
    return found


async def empty(session: aiohttp.ClientSession, base: str) -> list[str]:
    """Panels and recording rules without a number, each named with its query; none where all is well.

    A panel of things that hopefully never happen says 0 where there is no series. So each series that a panel reads is
    asked for by itself too.
    """
    read = {name for query in queries() for name, _ in query.selectors()}
    without = [
        f"series: {name}" for name in sorted(read) if not await ask(session, base, f"last_over_time({name}[1h])")
    ]
    without += [
        f"{query.board}: {query.panel}: {query.expr}"
        for query in queries()
        if not _numbers(await ask(session, base, query.asked))
    ]
    for rule in await rules(session, base):
        if rule["type"] == "recording" and not _numbers(await ask(session, base, rule["name"])):
            without.append(f"rule: {rule['name']}")
    return without


async def rules(session: aiohttp.ClientSession, base: str) -> list[dict[str, Any]]:
    async with session.get(f"{base}/api/v1/rules") as answer:
        groups = (await answer.json())["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


async def troubled(session: aiohttp.ClientSession, base: str) -> list[str]:
    """Rules that were not worked out, with the error; those that were not tried yet count."""
    told = [(rule["name"], rule["health"], rule.get("lastError", "")) for rule in await rules(session, base)]
    assert told, "Prometheus has read no rules"
    return [f"{name}: {health} {error}" for name, health, error in told if health != "ok" or error]


async def targets(session: aiohttp.ClientSession, base: str) -> dict[str, list[str]]:
    """The instances that are up, by job."""
    up: dict[str, list[str]] = {}
    for series in await ask(session, base, "up == 1"):
        up.setdefault(series["metric"]["job"], []).append(series["metric"]["instance"])
    return {job: sorted(instances) for job, instances in up.items()}


def _numbers(found: list[dict[str, Any]]) -> bool:
    return any(series["value"][1] not in _NO_NUMBER for series in found)
