"""A queue of three servers: any one of them may die, whatever it led."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import nats
import nats.errors
import nats.js.errors
import pytest
import pytest_asyncio
from nats.js import JetStreamContext

from askonce.bus import names
from askonce.core.entry import Lookup
from tests.e2e.asking import Client
from tests.e2e.kept import Backing, backing
from tests.e2e.load import Load
from tests.e2e.stack import Parts, config, toy_provider
from tests.nats_cluster import NatsCluster

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Scene:
    cluster: NatsCluster
    stack: Parts
    session: aiohttp.ClientSession
    store: Backing

    async def stream(self, name: str):
        return await asked(self.cluster, lambda js: js.stream_info(name))


async def asked(cluster: NatsCluster, question: Callable[[JetStreamContext], Awaitable[Any]]) -> Any:
    """The cluster's answer, asked again and again: while there is no leader, nobody answers."""
    client = await nats.connect(cluster.url.split(","))
    try:
        async with asyncio.timeout(60):
            while True:
                with suppress(nats.errors.TimeoutError, nats.js.errors.ServiceUnavailableError):
                    return await question(client.jetstream(timeout=1))
    finally:
        await client.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("cluster")
    cluster = NatsCluster(folder)
    cluster.start()
    await asked(cluster, JetStreamContext.account_info)
    stack = Parts(folder, cluster)
    try:
        async with toy_provider() as (_, base), backing("disk", folder) as store, aiohttp.ClientSession() as session:
            (folder / "config.yaml").write_text(config(base, store.settings, "askonce:\n  queue_replicas: 3"))
            await asyncio.gather(stack.add_frontend(), stack.add_frontend(), stack.add_writer())
            yield Scene(cluster, stack, session, store)
            await stack.stop()
    finally:
        await stack.stop()
        cluster.stop()


async def test_every_stream_has_a_copy_on_each_server(scene):
    for name in (names.STREAM, names.DEAD_STREAM, names.TOMBSTONE_STREAM, names.KEY_STREAM, names.SPENT_STREAM):
        assert (await scene.stream(name)).config.num_replicas == 3, name


async def test_the_leader_of_the_queue_may_be_killed_and_nothing_is_lost(scene):
    here, there = (Client(scene.session, url) for url in scene.stack.urls)
    load = Load(here)
    leader = (await scene.stream(names.STREAM)).cluster.leader
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run("leader", 800))
        await load.reaches(200)
        scene.cluster.servers[leader].kill()
    assert (await scene.stream(names.STREAM)).cluster.leader != leader
    assert await scene.store.has_all(load.keys)
    again = await there.chat("leader 7")
    assert again.hit
    fresh = await there.chat("after the death of the leader")
    assert await scene.store.has_all([fresh.key])
    assert await scene.store.reader.get([Lookup(fresh.key)]) != [None]
