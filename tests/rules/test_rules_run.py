"""Rules on a real Prometheus that scrapes a real frontend and a real writer; and what both tell, before promtool."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from tests.e2e.stack import chat, config, eventually, parts, post, toy_provider
from tests.grafana.prometheus import Prometheus
from tests.rules.reading import RULES, promtool, rules
from tests.servers import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
CACHE = "  cache: true\n  cache_params: {type: disk, disk_cache_dir: kept}\n"


@dataclass
class Scene:
    """`pages` are what a frontend and a writer are scraped at. There is no balancer."""

    session: aiohttp.ClientSession
    frontend: str
    pages: dict[str, str]
    folder: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder, port = tmp_path_factory.mktemp("scraped"), free_port()
    async with (
        toy_provider() as (_, base),
        parts(folder, config(base, CACHE), frontends=1, writers=0) as stack,
        aiohttp.ClientSession() as session,
    ):
        await stack.add_writer(ASKONCE_METRICS_PORT=str(port))
        pages = {"askonce-frontend": stack.urls[0], "askonce-writer": f"http://127.0.0.1:{port}"}
        yield Scene(session, stack.urls[0], pages, folder)


async def ask_twice(scene: Scene, text: str) -> None:
    for expected in (False, True):
        status, how, _ = await post(scene.session, scene.frontend, chat(text))
        assert (status, "hit" in how) == (200, expected)


def configured(scene: Scene) -> str:
    """The stack's own configuration, with these addresses in place of names, and no patience."""
    settings = yaml.safe_load((RULES.parent / "prometheus.yml").read_text())
    settings["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    settings["rule_files"] = [f"{scene.folder}/rules/*.yml"]
    nobody = f"127.0.0.1:{free_port()}"
    for job in settings["scrape_configs"]:
        target = scene.pages.get(job["job_name"], nobody).removeprefix("http://")
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [{"targets": [target]}]
    return yaml.safe_dump(settings)


@pytest.fixture(scope="module")
def prometheus(scene: Scene) -> Iterator[Prometheus]:
    (scene.folder / "rules").mkdir()
    for path in RULES.glob("*.yml"):
        text, changed = re.subn(r"interval: \w+", "interval: 1s", path.read_text())
        assert changed
        (scene.folder / "rules" / path.name).write_text(text)
    server = Prometheus(scene.folder / "prometheus", "127.0.0.1:1")
    (server.folder / "prometheus.yml").write_text(configured(scene))
    server.start()
    yield server
    server.stop()


async def evaluated(scene: Scene, prometheus: Prometheus) -> list[dict[str, Any]]:
    """What Prometheus says of each rule."""
    async with scene.session.get(f"http://127.0.0.1:{prometheus.port}/api/v1/rules") as answer:
        groups = (await answer.json())["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


async def test_promtool_finds_nothing_wrong_with_what_a_frontend_and_a_writer_tell(scene: Scene) -> None:
    await ask_twice(scene, "before promtool")
    for page in scene.pages.values():
        async with scene.session.get(f"{page}/metrics") as answer:
            text = await answer.text()
        assert "askonce_build_info" in text
        done = promtool("check", "metrics", text=text)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


async def test_a_real_prometheus_evaluates_every_rule(scene: Scene, prometheus: Prometheus) -> None:
    async def worked_out() -> bool:
        found = await evaluated(scene, prometheus)
        return all(rule["health"] == "ok" for rule in found) and len(found) == len(rules("alert") + rules("record"))

    assert await eventually(worked_out, within=60), [
        (rule["name"], rule["health"], rule.get("lastError")) for rule in await evaluated(scene, prometheus)
    ]


async def test_recorded_series_come_from_what_is_asked(scene: Scene, prometheus: Prometheus) -> None:
    asked = 0

    async def recorded() -> bool:
        nonlocal asked
        asked += 1
        await ask_twice(scene, f"to be recorded {asked}")
        found = await prometheus.ask(scene.session, '{__name__=~"askonce:.*"} > 0')
        if not await prometheus.ask(scene.session, "askonce:queue_ratio"):  # the queue is most often empty
            return False
        return {
            "askonce:requests:rate",
            "askonce:hit_ratio",
            "askonce:hit_ratio:1h",
            "askonce:exact_ratio",
            "askonce:request_seconds",
            "askonce:writer_lag_seconds",
            "askonce:persisted:rate",
            "askonce:store_read_seconds",
        } <= {one["metric"]["__name__"] for one in found}

    assert await eventually(recorded, within=60), await prometheus.ask(scene.session, '{__name__=~"askonce:.*"}')


async def test_no_alert_is_raised_where_all_is_well_but_for_what_is_not_there(
    scene: Scene, prometheus: Prometheus
) -> None:
    async def raised() -> bool:
        found = {one["name"] for one in await evaluated(scene, prometheus) if one.get("alerts")}
        return found == {"BalancerDown"}

    assert await eventually(raised, within=60)
