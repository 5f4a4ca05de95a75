"""Streams of the server of `askonce up`: a writer makes what is missing, and reaches no key through any of them."""

import json
from contextlib import asynccontextmanager

import nats
import nats.errors
import pytest

from askonce.bus import names
from askonce.bus.streams import ensure_streams
from askonce.config.settings import ProxySettings
from tests.bus import test_server
from tests.bus.test_server import frontend_bus, refused, writer

server = test_server.server
FIRST_THREE = (names.STREAM, names.DEAD_STREAM, names.TOMBSTONE_STREAM)


@asynccontextmanager
async def as_writer(server):
    """A client with a writer's password, and what the server has forbidden it."""
    errors: list[str] = []

    async def note(error: Exception) -> None:
        errors.append(str(error).lower())

    client = await nats.connect(server.as_role("writer"), error_cb=note, inbox_prefix=names.WRITER_INBOX.encode())
    try:
        yield client, errors
    finally:
        await client.close()


async def test_a_writer_can_neither_change_a_stream_nor_have_it_written_on_into_the_keys(server):
    bus = await frontend_bus(server)
    await bus.keys.put("key.a", b"x")
    await (await writer(server)).close()
    js = (admin := await nats.connect(server.as_role("admin"))).jetstream()
    before = {stream: (await js.stream_info(stream)).config for stream in FIRST_THREE}
    async with as_writer(server) as (client, errors):
        for stream, config in before.items():
            for more in (
                {"republish": {"src": ">", "dest": names.record("key.a")}},
                {"sources": [{"name": names.KEY_STREAM}]},
                {"subjects": [*(config.subjects or ()), names.RECORDS]},
            ):
                changed = json.dumps({**config.as_dict(), **more}).encode()
                with pytest.raises(nats.errors.TimeoutError):
                    await client.request(f"$JS.API.STREAM.UPDATE.{stream}", changed, timeout=0.5)
                made = json.loads((await client.request(f"$JS.API.STREAM.CREATE.{stream}", changed, timeout=10)).data)
                assert "error" in made, "what is there is not made again"
        assert all("permissions violation" in one for one in errors)
        await client.publish(names.dead("disk"), b"a record of the writer's own")
        await client.flush()
    assert {stream: (await js.stream_info(stream)).config for stream in FIRST_THREE} == before
    assert (await js.stream_info(names.KEY_STREAM)).state.messages == 1
    found = await bus.keys.get("key.a")
    assert found is not None
    assert found.value == b"x"
    await admin.close()
    await bus.close()


async def test_a_writer_makes_no_stream_of_keys_and_sums_nor_sees_what_is_in_it(server):
    await (await writer(server)).close()
    client = await nats.connect(server.as_role("admin"))
    there = {stream.config.name for stream in await client.jetstream().streams_info()}
    assert there == set(FIRST_THREE)
    for stream in (names.KEY_STREAM, names.SPENT_STREAM):
        for verb in ("CREATE", "UPDATE", "INFO"):
            assert await refused(server, "writer", f"$JS.API.STREAM.{verb}.{stream}"), (verb, stream)
    await (await frontend_bus(server)).close()
    assert names.KEY_STREAM in {stream.config.name for stream in await client.jetstream().streams_info()}
    await client.close()


async def test_frontends_bring_a_changed_size_and_writers_leave_it(server):
    await (await frontend_bus(server)).close()
    client = await nats.connect(server.as_role("admin"))
    js = client.jetstream()
    larger = ProxySettings(queue_bytes=2 << 20)
    await (await writer(server, larger)).close()
    assert (await js.stream_info(names.STREAM)).config.max_bytes == 1 << 20
    frontend = await nats.connect(server.as_role("frontend"), inbox_prefix=names.FRONTEND_INBOX.encode())
    await ensure_streams(frontend.jetstream(), larger, update=True)
    assert (await js.stream_info(names.STREAM)).config.max_bytes == 2 << 20
    await frontend.close()
    await client.close()
