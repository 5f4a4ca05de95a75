"""What real processes tell Prometheus: their own metrics and no others, from 0 on, in words that no client chose."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from askonce.config.settings import ProxySettings
from askonce.telemetry.metrics import METRICS
from docs.generate.metrics import WORDS
from tests.e2e.asking import Client
from tests.e2e.queue import Queue, administering
from tests.e2e.stack import Parts, eventually, parts, toy_provider, up
from tests.servers import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
MASTER = "sk-master-of-these-tests"
BUILD = {"version": version("askonce")}


def config(base: str) -> str:
    at = f'api_base: "{base}", api_key: sk-of-the-proxy'
    prices = "input_cost_per_token: 0.5, output_cost_per_token: 0.25"
    return f"""
model_list:
  - {{model_name: chat, litellm_params: {{model: openai/toy, {at}, {prices}}}}}
  - {{model_name: "any/*", litellm_params: {{model: "openai/*", {at}}}}}
litellm_settings: {{cache: true, cache_params: {{type: disk, disk_cache_dir: kept}}}}
"""


class Scrape:
    """What one scrape tells."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        self.names = set[str]()
        for family in text_string_to_metric_families(text):
            self.names.add(family.name + ("_total" if family.type == "counter" else ""))
            for one in family.samples:
                self.samples[one.name, frozenset(one.labels.items())] = one.value

    def get(self, name: str, **labels: str) -> float | None:
        return self.samples.get((name, frozenset(labels.items())))

    def words(self, name: str, label: str) -> set[str]:
        return {dict(labels)[label] for found, labels in self.samples if found == name}

    def sum(self, name: str) -> float:
        return sum(value for (found, _), value in self.samples.items() if found == name)


@dataclass
class Scene:
    parts: Parts
    session: aiohttp.ClientSession
    client: Client
    writer: str
    begun: tuple[Scrape, Scrape]
    queue: Queue

    async def frontend_tells(self) -> Scrape:
        return await scrape(self.session, self.parts.urls[0])

    async def writer_tells(self) -> Scrape:
        return await scrape(self.session, self.writer)

    async def chat(self, text: str, key: str = MASTER, model: str = "chat", status: int = 200) -> None:
        answer = await self.client.chat(text, model=model, header_authorization=f"Bearer {key}")
        assert answer.status == status, answer.body

    async def made(self, path: str, **body: object) -> str:
        headers = {"Authorization": f"Bearer {MASTER}"}
        answer = await self.client.send("POST", path, json=body, headers=headers)
        assert answer.status == 200, answer.body
        return str(answer.json.get("key"))


async def scrape(session: aiohttp.ClientSession, url: str) -> Scrape:
    async with session.get(f"{url}/metrics") as answer:
        assert answer.status == 200
        return Scrape(await answer.text())


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Scene]:
    port = free_port()
    async with (
        toy_provider() as (_, base),
        parts(folder, config(base), 1, 0, ASKONCE_MASTER_KEY=MASTER) as made,
        aiohttp.ClientSession() as session,
        administering(made.nats.url, "disk") as queue,
    ):
        await made.add_writer(ASKONCE_METRICS_PORT=str(port), ASKONCE_HOST="127.0.0.1")
        url, writer = made.urls[0], f"http://127.0.0.1:{port}"
        begun = (await scrape(session, url), await scrape(session, writer))
        yield Scene(made, session, Client(session, url), writer, begun, queue)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with opened(tmp_path_factory.mktemp("scene")) as one:
        yield one


async def test_each_process_tells_what_it_is_and_metrics_of_its_own_kind_only(scene: Scene) -> None:
    for told, process in zip(scene.begun, ("frontend", "writer"), strict=True):
        assert told.get("askonce_build_info", process=process, **BUILD) == 1
        own = {metric.name for metric in METRICS if process in metric.by}
        assert told.names <= own
        assert told.get("askonce_bus_connected") == 1
        plain = {metric.name for metric in METRICS if not metric.labels and metric.kind == "counter"}
        assert plain & own <= told.names


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("askonce_requests_total", {"call_type": "`call_type`", "model": "", "result": "`result`"}),
        ("askonce_lookups_total", {"call_type": "completion", "source": ["memory", "disk", "missing"]}),
        ("askonce_kept_total", {"call_type": "embedding"}),
        ("askonce_skipped_total", {"call_type": "completion", "reason": "`reason` of `askonce_skipped_total`"}),
        ("askonce_outbox_dropped_total", {"reason": "`reason` of `askonce_outbox_dropped_total`"}),
        ("askonce_store_read_seconds_count", {"store": "disk", "outcome": "`outcome` of reads"}),
        ("askonce_store_breaker_open", {"store": "disk"}),
        ("askonce_memory_evictions_total", {"reason": "`reason` of `askonce_memory_evictions_total`"}),
        ("askonce_limited_total", {"kind": "`kind` of `askonce_limited_total`"}),
        ("askonce_fallbacks_total", {"call_type": "completion", "outcome": "`outcome` of fallbacks"}),
        ("askonce_deployment_failures_total",
         {"deployment": ["chat#1", "any/*#1"], "reason": "`reason` of `askonce_deployment_failures_total`"}),
        ("askonce_deployment_cooled", {"deployment": ["chat#1", "any/*#1"]}),
        ("askonce_writer_put_seconds_count", {"store": "disk", "outcome": "`outcome` of writes"}),
        ("askonce_writer_persisted_total", {"store": "disk"}),
        ("askonce_writer_lag_seconds_count", {"store": "disk"}),
        ("askonce_writer_refused_total", {"store": "disk", "reason": "`reason` of `askonce_writer_refused_total`"}),
        ("askonce_writer_retries_total", {"store": "disk", "reason": "`reason` of `askonce_writer_retries_total`"}),
        ("askonce_writer_dead_letters_total",
         {"store": "disk", "reason": "`reason` of `askonce_writer_dead_letters_total`"}),
    ],
)  # fmt: skip
async def test_a_process_that_did_nothing_says_so(scene: Scene, name: str, labels: dict[str, str | list[str]]) -> None:
    """A word in backticks stands for all that the documentation lists."""
    told = scene.begun["_writer_" in name]
    said = [list(WORDS.get(one, [one])) if isinstance(one, str) else one for one in labels.values()]
    for of in product(*said):
        assert told.get(name, **dict(zip(labels, map(str, of), strict=True))) == 0, of


async def test_a_process_that_did_nothing_has_few_series(scene: Scene) -> None:
    frontend, writer = scene.begun
    plain = [name for name, _ in frontend.samples if not name.endswith(("_bucket", "_sum", "_count"))]
    assert len(plain) < 400
    assert len(writer.samples) < 200


async def test_requests_are_told_by_the_model_that_the_list_calls_so_and_never_by_a_clients_word(scene: Scene) -> None:
    for _ in range(3):
        await scene.chat("by model")
    for name in ("any/MARKER", "any/MARKER-2"):
        await scene.chat("by model", model=name)
    await scene.chat("by model", model="MARKER", status=404)
    await scene.chat("by model", key="sk-MARKER", status=401)
    passed = {"headers": {"Authorization": f"Bearer {MASTER}"}}
    await scene.client.send("POST", "/v1/moderations", json={"model": "any/MARKER", "input": "x"}, **passed)

    async def told() -> bool:
        now, of = await scene.frontend_tells(), "askonce_requests_total"
        expected = {("chat", "miss"): 1, ("chat", "hit"): 2, ("chat", "error"): 0, ("any/*", "miss"): 2,
                    ("", "refused"): 2}  # fmt: skip
        found = {key: now.get(of, call_type="completion", model=key[0], result=key[1]) for key in expected}
        passed = [now.get(of, call_type="passed_through", model="any/*", result=how) for how in ("bypass", "error")]
        return found == expected and sorted(map(float, filter(None, passed))) == [1.0]

    assert await eventually(told)
    now = await scene.frontend_tells()
    assert now.words("askonce_requests_total", "model") == {"", "chat", "any/*"}
    assert now.get("askonce_saved_dollars_total", call_type="completion", model="any/*") == 0
    assert "MARKER" not in now.text


async def test_what_a_team_asks_spends_and_saves_is_told_by_its_name_and_no_key_is(scene: Scene) -> None:
    await scene.made("/team/new", team_id="team-1", team_alias="Search")
    await scene.made("/team/new", team_id="team-2")
    keys = [await scene.made("/key/generate", team_id=team, key_alias="KEY") for team in ("team-1",)]
    keys.append(await scene.made("/key/generate", team_id="team-2", models=["any/x"]))
    alone = await scene.made("/key/generate")
    before = await scene.frontend_tells()
    for _ in range(3):
        await scene.chat("of a team", key=keys[0])
    await scene.chat("of a team", key=keys[1], status=403)
    await scene.chat("of a team", key=alone)
    await scene.client.send("GET", "/v1/files", headers={"Authorization": f"Bearer {keys[0]}"})  # the toy has none

    async def told() -> bool:
        now, of = await scene.frontend_tells(), "askonce_team_requests_total"
        expected = {("Search", "miss"): 1, ("Search", "hit"): 2, ("Search", "error"): 1, ("team-2", "refused"): 1}
        return {key: now.get(of, team=key[0], result=key[1]) for key in expected} == expected

    assert await eventually(told)
    now = await scene.frontend_tells()
    assert now.words("askonce_team_requests_total", "team") == {"Search", "team-2"}
    spent, saved = (now.get(f"askonce_team_{how}_dollars_total", team="Search") for how in ("spent", "saved"))
    assert spent == pytest.approx(now.sum("askonce_spent_dollars_total") - before.sum("askonce_spent_dollars_total"))
    assert saved == pytest.approx(2 * (spent or 0))
    assert spent
    assert now.get("askonce_team_spent_dollars_total", team="team-2") == 0
    assert not [secret for secret in (*keys, alone, "KEY") if secret in now.text]


async def test_writers_tell_how_full_the_queue_is_and_what_lies_among_the_dead(scene: Scene) -> None:
    _, begun = scene.begun
    assert begun.get("askonce_queue_limit_bytes") in {None, ProxySettings().queue_bytes}  # None: not asked for yet
    await scene.queue.publish(b"no frame of ours")

    async def told() -> bool:
        now = await scene.writer_tells()
        of = {"store": "disk", "reason": "poison"}
        return (now.get("askonce_writer_dead_letters_total", **of), now.get("askonce_dead_letters")) == (1, 1)

    assert await eventually(told)

    async def empty() -> bool:
        now = await scene.writer_tells()
        names = ("askonce_queue_messages", "askonce_queue_bytes", "askonce_queue_limit_bytes")
        pending = now.get("askonce_writer_pending", store="disk")
        return [pending, *map(now.get, names)] == [0, 0, 0, ProxySettings().queue_bytes]

    assert await eventually(empty)


async def test_up_tells_of_all_its_processes_together(tmp_path: Path) -> None:
    async with (
        toy_provider() as (_, base),
        up(tmp_path, config(base), "--frontends", "2") as (url, _),
        aiohttp.ClientSession() as session,
    ):
        client = Client(session, url)
        for _ in range(4):
            assert (await client.chat("of all", model="chat")).status == 200

        async def told() -> bool:
            now = await scrape(session, url)
            asked = [now.get("askonce_requests_total", call_type="completion", model="chat", result=how) or 0
                     for how in ("miss", "hit", "collapsed")]  # fmt: skip
            whole = now.get("askonce_queue_limit_bytes") == ProxySettings().queue_bytes
            return asked == [1, 3, 0] and whole and now.get("askonce_writer_persisted_total", store="disk") == 1

        assert await eventually(told)
        now = await scrape(session, url)
        assert [now.get("askonce_build_info", process=one, **BUILD) for one in ("frontend", "writer")] == [1, 1]
        assert now.get("askonce_writer_retries_total", store="disk", reason="failed") == 0
        assert now.get("askonce_outbox_dropped_total", reason="too-old") == 0
