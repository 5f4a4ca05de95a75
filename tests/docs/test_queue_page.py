"""The page on the queue says what the code does: its streams, its roles, and what is done with dead letters."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path

import nats
import orjson
import pytest
from nats.js.api import ConsumerConfig, StreamConfig

from askonce.bus import names, streams
from askonce.bus.server import server_config
from askonce.config.settings import ProxySettings
from askonce.core.events import Answered
from askonce.core.wire import encode
from askonce.runtime.queue import NatsServer as OwnServer
from askonce.writer.settle import RejectReason
from tests.docs.reading import SPAN, page, part, rows, words

SETTINGS = ProxySettings()
QUEUE = page("queue.md")
SECONDS = {"duplicate_window", "max_age", "ack_wait"}


def settings_of(what: StreamConfig | ConsumerConfig, *left: str) -> dict[str, str]:
    """What is set on purpose, written as on the page."""
    named = {"name", "description", "durable_name", "filter_subject", *left}
    plain = type(what)()
    found = {}
    for field in fields(what):
        value = getattr(what, field.name)
        if field.name not in named and value != getattr(plain, field.name):
            text = value[0] if isinstance(value, list) else value
            text = str(text).lower() if isinstance(text, bool) else getattr(text, "value", text)
            found[field.name] = f"`{text:g}` s" if field.name in SECONDS else f"`{text}`"
    return found


def told(heading: str) -> dict[str, str]:
    return {row[0].strip("`"): row[1] for row in rows(part(QUEUE, heading))}


def test_streams_and_consumers_are_set_as_the_page_says() -> None:
    for stream in (*streams._streams(SETTINGS), streams._keys(), streams._spent()):
        shown = told(f"### `{stream.name}`")
        expected = settings_of(stream)
        # what is nats-py's own default is set on purpose too
        expected |= {name: f"`{getattr(stream, name).value}`" for name in ("retention", "discard", "storage")}
        assert shown == expected, stream.name
    durable = streams._durable("disk", "x", streams.ACK_WAIT)
    expected = settings_of(durable) | {name: f"`{getattr(durable, name).value}`" for name in
                                       ("deliver_policy", "ack_policy")}  # fmt: skip
    assert told("## Consumers") == expected


def test_the_roles_may_do_what_the_page_says() -> None:
    password = "x" * 16
    text = server_config(
        settings=SETTINGS, store_dir=Path("/x"), frontend_password=password, writer_password=password,
        admin_password=password,
    )  # fmt: skip
    users = re.findall(r'user: "(\w+)".*?publish: \{ allow: (\[.*?\]) \}, subscribe: \{ allow: (\[.*?\]) \}', text)
    assert [user for user, _, _ in users] == ["frontend", "writer", "admin"]
    for user, publish, subscribe in users:
        may_publish, may_subscribe = part(QUEUE, f"### `{user}`").split("- publish: ")[1].split("- subscribe: ")
        assert sorted(SPAN.findall(may_publish)) == sorted(orjson.loads(publish)), user
        assert sorted(SPAN.findall(may_subscribe)) == sorted(orjson.loads(subscribe)), user


def test_the_words_of_a_dead_letter() -> None:
    expected = [*RejectReason, names.REASON, names.SUBJECT, names.DELIVERIES, names.TIME]
    assert words(part(QUEUE, "## Dead letters")) == expected


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Path]:
    """A working directory in whose `.askonce` the server of `up` runs."""
    server = OwnServer(tmp_path / ".askonce" / "nats", SETTINGS)
    process = await asyncio.create_subprocess_exec(*server.command())
    try:
        await server.ready(process)
        yield tmp_path
    finally:
        process.terminate()
        await process.wait()


async def run(*command: str, cwd: Path, url: str = "") -> str:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, env={**os.environ, "NATS_URL": url}
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode().strip()


async def test_dead_letters_can_be_seen_and_replayed_by_hand(home: Path) -> None:
    (shell,) = re.findall(r"```sh\n(.*?)```", QUEUE, re.DOTALL)
    show, replay = re.findall(r"```python\n(.*?)```", QUEUE, re.DOTALL)
    url = await run("sh", "-c", f'{shell}\necho "$NATS_URL"', cwd=home)
    client = await nats.connect(url)
    js = client.jetstream()
    await streams.ensure_streams(js, SETTINGS, update=False)
    frame = encode(Answered("made-once", 1.0, ()))
    for reason, data in (("failed", frame), ("poison", b"what is this")):
        headers = {names.REASON: reason, names.SUBJECT: names.answered("disk")}
        await js.publish(names.dead("disk"), data, headers=headers)

    shown = await run(sys.executable, "-c", show, cwd=home, url=url)
    assert shown.splitlines()[0] == "1 failed askonce.answered.disk"
    assert "made-once" in shown.splitlines()[1]
    assert shown.splitlines()[2:] == ["2 poison askonce.answered.disk"]

    assert await run(sys.executable, "-c", replay, cwd=home, url=url) == "replayed 1"
    assert (await js.get_msg(names.STREAM, 1)).data == frame
    assert (await js.stream_info(names.DEAD_STREAM)).state.messages == 0
    await client.close()
