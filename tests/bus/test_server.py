"""The server that `askonce up` runs, for real: each role can do its work and nothing else."""

import asyncio
import json
import os
import time

import nats
import nats.errors
import pytest
from nats.js.api import ConsumerConfig

from askonce.bus import names
from askonce.bus.link import Link
from askonce.bus.nats import open_consumer, open_frontend_bus
from askonce.bus.protocols import Record
from askonce.bus.server import server_config
from askonce.bus.streams import ensure_streams
from askonce.config.settings import ProxySettings
from askonce.core import wire
from askonce.core.errors import BusUnavailable
from askonce.core.events import Answered, Deleted, Flushed
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.bus.kit import NOW, Ears, answer, drained, gather, key, until
from tests.bus.records import Watcher
from tests.bus.up_server import SETTINGS, WORDS, UpServer

LOG = Log("test")


@pytest.fixture
def server(tmp_path):
    server = UpServer(tmp_path / "nats")
    server.start()
    yield server
    server.kill()


async def frontend(server):
    return (await frontend_bus(server)).publisher


async def frontend_bus(server):
    return await open_frontend_bus(
        server.as_role("frontend"), store="disk", settings=SETTINGS, metrics=Metrics(), log=LOG, name="frontend"
    )


async def writer(server, settings=SETTINGS):
    return await open_consumer(
        server.as_role("writer"),
        store="disk",
        settings=settings,
        metrics=Metrics(),
        log=LOG,
        name="writer",
        clock=time.time,
    )


@pytest.mark.parametrize("first", ["frontend", "writer"])
async def test_both_roles_can_do_their_work_whoever_comes_first(server, first):
    if first == "frontend":
        publisher = await frontend(server)
        consumer = await writer(server, ProxySettings(queue_bytes=2 << 20))
    else:
        consumer = await writer(server)
        publisher = await frontend(server)
    assert publisher.max_payload > 7 << 20
    ears = Ears()
    await publisher.listen(ears.hear, ears.miss)
    publisher.tell(answer(1))
    event = answer(2)
    await publisher.publish(event)
    (delivery,) = await gather(consumer.answered, 1)
    assert wire.decode(delivery.data) == event
    await delivery.retry(0)
    (delivery,) = await gather(consumer.answered, 1)
    await delivery.reject("poison")
    await publisher.publish(answer(3))
    await (await gather(consumer.answered, 1))[0].ack()
    asked = asyncio.create_task(publisher.delete([key(1)], NOW, within=20, confirm=True))
    await (await gather(consumer.deleted, 1))[0].ack()
    await asked
    await consumer.tombstones.refresh()
    assert consumer.tombstones.at(key(1)) == NOW
    await publisher.flush("team", NOW, within=20)
    assert Flushed("team", NOW) in ears.events
    await (await gather(consumer.deleted, 1))[0].ack()
    await drained(consumer)
    assert (await consumer.depth()).dead == 1
    late = await frontend(server)
    await late.listen(ears.hear, ears.miss)
    assert {type(one) for one in ears.events} == {Answered, Deleted, Flushed}
    await late.close()
    await publisher.close()
    await consumer.close()


async def test_frontends_keep_keys_and_sums_whoever_comes_first(server):
    consumer = await writer(server)
    bus, other, watcher = await frontend_bus(server), await frontend_bus(server), Watcher()
    await watcher.watch(bus.keys)
    revision = await other.keys.put("key.a", b"x", revision=0)
    assert await bus.keys.get("key.a") == Record(b"x", revision)
    assert await bus.keys.all("key.") == {"key.a": Record(b"x", revision)}
    await other.keys.delete("key.a", revision=revision)
    await until(lambda: watcher.heard == [("key.a", b"x"), ("key.a", None)])
    assert await bus.spent.add("key.a", 5, once="x") == 5
    await other.spent.reset("key.a")
    assert await bus.spent.total("key.a") == 0
    for each in (bus, other, consumer):
        await each.close()


async def test_a_writer_neither_reads_nor_writes_keys_and_sums(server):
    bus = await frontend_bus(server)
    await bus.keys.put("key.a", b"x")
    await bus.spent.add("key.a", 1, once="x")
    consumer = json.dumps({"stream_name": names.KEY_STREAM, "config": {"deliver_subject": "x"}}).encode()
    for stream, subject in ((names.KEY_STREAM, names.record("key.a")), (names.SPENT_STREAM, names.spent("key.a"))):
        for forbidden in (
            subject,
            f"$JS.API.STREAM.MSG.GET.{stream}",
            f"$JS.API.DIRECT.GET.{stream}",
            f"$JS.API.DIRECT.GET.{stream}.{subject}",
            f"$JS.API.CONSUMER.CREATE.{stream}",
            f"$JS.API.CONSUMER.CREATE.{stream}.x",
            f"$JS.API.CONSUMER.CREATE.{stream}.x.{subject}",
            f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.x",
            f"$JS.API.STREAM.UPDATE.{stream}",
            f"$JS.API.STREAM.PURGE.{stream}",
            f"$JS.API.STREAM.DELETE.{stream}",
        ):
            assert await refused(server, "writer", forbidden, consumer), forbidden
        assert await deaf(server, "writer", subject), subject
    assert (await bus.keys.get("key.a") or Record(b"", 0)).value == b"x"
    await bus.close()


async def test_a_frontend_can_neither_purge_nor_change_nor_overhear_keys_and_sums(server):
    await (await frontend_bus(server)).close()
    for stream, subject in ((names.KEY_STREAM, names.RECORDS), (names.SPENT_STREAM, names.SPENT)):
        for verb in ("UPDATE", "PURGE", "DELETE", "MSG.DELETE", "RESTORE", "SNAPSHOT"):
            assert await refused(server, "frontend", f"$JS.API.STREAM.{verb}.{stream}"), (stream, verb)
        assert await refused(server, "frontend", f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.x"), stream
        assert await deaf(server, "frontend", subject), subject


async def refused(server, role: str, subject: str, payload: bytes = b"{}") -> bool:
    """Whether the server forbids this role to publish to this subject."""
    errors: list[str] = []

    async def note(error: Exception) -> None:
        errors.append(str(error).lower())

    client = await nats.connect(server.as_role(role), error_cb=note)
    await client.publish(subject, payload)
    await client.flush()
    await until(lambda: bool(errors))
    await client.close()
    return "permissions violation for publish" in errors[0]


async def deaf(server, role: str, subject: str) -> bool:
    errors: list[str] = []

    async def note(error: Exception) -> None:
        errors.append(str(error).lower())

    client = await nats.connect(server.as_role(role), error_cb=note)
    await client.subscribe(subject)
    await client.flush()
    await until(lambda: bool(errors))
    await client.close()
    return "permissions violation for subscription" in errors[0]


async def test_a_frontend_can_neither_take_from_the_queue_nor_confirm(server):
    await (await writer(server)).close()
    create = json.dumps({"stream_name": names.STREAM, "config": ConsumerConfig(durable_name="x").as_dict()}).encode()
    for subject in (
        f"$JS.API.CONSUMER.CREATE.{names.STREAM}",
        f"$JS.API.CONSUMER.CREATE.{names.STREAM}.x",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{names.STREAM}.x",
        f"$JS.API.CONSUMER.CREATE.{names.TOMBSTONE_STREAM}.disk",
        f"$JS.API.CONSUMER.MSG.NEXT.{names.STREAM}.disk",
        f"$JS.API.CONSUMER.MSG.NEXT.{names.TOMBSTONE_STREAM}.disk",
        f"$JS.API.CONSUMER.DELETE.{names.STREAM}.disk",
        f"$JS.API.CONSUMER.DELETE.{names.TOMBSTONE_STREAM}.disk",
        f"$JS.API.STREAM.MSG.GET.{names.STREAM}",
        f"$JS.API.STREAM.PURGE.{names.STREAM}",
        f"$JS.API.STREAM.DELETE.{names.STREAM}",
        "$JS.API.STREAM.CREATE.mine",
        f"$JS.ACK.{names.STREAM}.disk.1.1.1.1.0",
        f"$JS.ACK.{names.TOMBSTONE_STREAM}.disk.1.1.1.1.0",
        names.confirmed("disk"),
        names.dead("disk"),
        "anything.else",
    ):
        assert await refused(server, "frontend", subject, create), subject
    for subject in (">", names.answered("*"), names.dead("*"), "_INBOX.>", f"{names.WRITER_INBOX}.>", "$JS.>"):
        assert await deaf(server, "frontend", subject), subject


async def test_a_writer_can_neither_answer_nor_delete_nor_tell(server):
    for subject in (
        names.answered("disk"),
        names.TOLD,
        names.tombstone(key(1)),
        names.flushed(""),
        names.HEARD,
        f"$JS.API.STREAM.PURGE.{names.STREAM}",
        f"$JS.API.STREAM.DELETE.{names.STREAM}",
        f"$JS.API.STREAM.DELETE.{names.DEAD_STREAM}",
        f"$JS.API.STREAM.UPDATE.{names.STREAM}",
        f"$JS.API.STREAM.UPDATE.{names.DEAD_STREAM}",
        f"$JS.API.CONSUMER.DELETE.{names.STREAM}.disk",
        "$JS.API.STREAM.CREATE.mine",
    ):
        assert await refused(server, "writer", subject), subject
    for subject in (">", names.TOLD, names.answered("*"), f"{names.FRONTEND_INBOX}.>", "$JS.>"):
        assert await deaf(server, "writer", subject), subject


async def test_an_admin_reads_the_dead_letters(server):
    await (await writer(server)).close()
    client = await nats.connect(server.as_role("admin"))
    assert (await client.jetstream().stream_info(names.DEAD_STREAM)).state.messages == 0
    await client.close()


async def test_a_wrong_password_is_told_without_it(server):
    url = f"nats://frontend:not-the-word@127.0.0.1:{server.port}"
    link = Link(url, name="x", inbox=names.FRONTEND_INBOX, metrics=Metrics(), log=LOG)
    with pytest.raises(BusUnavailable, match="Authorization Violation") as caught:
        await link.open(lambda: ensure_streams(link.client.jetstream(), SETTINGS, update=False), within=1)
    assert "not-the-word" not in str(caught.value)


async def test_a_free_port_is_written_where_it_can_be_found(tmp_path):
    server = UpServer(tmp_path)
    text = server_config(
        settings=SETTINGS,
        store_dir=tmp_path / "js",
        ports_dir=tmp_path,
        frontend_password=WORDS["frontend"],
        writer_password=WORDS["writer"],
        admin_password=WORDS["admin"],
    )
    (tmp_path / "nats.conf").write_text(text)
    process = await asyncio.create_subprocess_exec(*server.command(), stderr=asyncio.subprocess.DEVNULL)
    try:
        written = tmp_path / f"nats-server_{process.pid}.ports"
        await until(lambda: written.exists() and written.stat().st_size > 0)
        (url,) = json.loads(written.read_text())["nats"]
        assert url.startswith("nats://127.0.0.1:")
        client = await nats.connect(url, user="admin", password=WORDS["admin"])
        assert client.max_payload == 8 << 20
        await client.close()
    finally:
        os.kill(process.pid, 9)
        await process.wait()


@pytest.mark.parametrize("word", ["", "short", 'quote"quote"quote"', "$2a$0123456789abcdef"])
def test_a_password_that_the_file_would_misread_is_refused(tmp_path, word):
    with pytest.raises(ValueError, match="the password of writer"):
        server_config(
            settings=SETTINGS,
            store_dir=tmp_path,
            frontend_password=WORDS["frontend"],
            writer_password=word,
            admin_password=WORDS["admin"],
        )
