"""The disk store among other processes: that write first, come later, stop in the middle, or are killed."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import lmdb
import pytest

from askonce.core.entry import Entry
from askonce.core.errors import StoreUnavailable
from askonce.stores import disk
from askonce.stores.disk import FOLDER, DiskReader, DiskWriter, open_environment
from tests.stores.conftest import LIMIT, OpenDisk, disk_settings
from tests.stores.contract import Clock, make_entry

ROOT = Path(__file__).parents[2]

Child = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    children = []

    def start(role: str, max_bytes: int = LIMIT) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tests.stores.disk_child", role, str(tmp_path), str(max_bytes)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        one = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
        children.append(one)
        return one

    yield start
    for one in children:
        one.kill()
        one.wait()
        assert one.stdout is not None
        one.stdout.close()


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the other process has died"
    return line.strip()


def child_entries(clock: Clock, batch: int) -> list[Entry]:
    return [make_entry(clock, f"{batch}.{n}", payload=b"x" * 3000) for n in range(10)]


async def test_a_reader_comes_first_and_sees_what_another_process_writes(
    tmp_path: Path, clock: Clock, child: Child
) -> None:
    environment = open_environment(disk_settings(tmp_path), writable=False)
    reader = DiskReader(environment, clock)
    wanted = child_entries(clock, 0)
    assert await reader.get([entry.lookup for entry in wanted]) == [None] * 10
    with pytest.raises(lmdb.ReadonlyError):
        environment.begin(write=True)
    assert child("once").wait(timeout=30) == 0
    found = await reader.get([entry.lookup for entry in wanted])
    assert [one.entry.payload for one in found if one is not None] == [entry.payload for entry in wanted]
    await reader.close()


@pytest.mark.parametrize("writable", [True, False])
async def test_a_writer_with_a_larger_limit_is_followed(
    tmp_path: Path, clock: Clock, child: Child, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    monkeypatch.setattr(disk, "_SPARE_BYTES", 0)
    environment = open_environment(disk_settings(tmp_path, 1 << 20), writable=writable)
    reader = DiskReader(environment, clock)
    writers = [DiskWriter(environment, LIMIT, clock)] if writable else []
    before = environment.info()["map_size"]
    writing = child("write", LIMIT)
    batch = 0
    while (tmp_path / FOLDER / "data.mdb").stat().st_size <= before:
        batch = int(line_of(writing))
    ours = make_entry(clock, "ours")
    for writer in writers:
        await writer.put([ours])
        assert await reader.get([ours.lookup]) != [None]
    found = await reader.get([entry.lookup for entry in child_entries(clock, batch)])
    assert None not in found
    for writer in writers:
        await writer.close()
    await reader.close()


async def test_a_writer_killed_at_work_loses_nothing_that_was_durable(
    tmp_path: Path, clock: Clock, child: Child, open_disk: OpenDisk
) -> None:
    for round_ in range(3):
        writing = child("write")
        durable = [int(line_of(writing)) for _ in range(10 + 7 * round_)][-1]
        writing.kill()
        writing.wait()
        environment = open_environment(disk_settings(tmp_path), writable=False)
        reader = DiskReader(environment, clock)
        wanted = [entry for batch in range(durable + 1) for entry in child_entries(clock, batch)]
        found = await reader.get([entry.lookup for entry in wanted])
        assert [entry.key for entry, one in zip(wanted, found, strict=True) if one is None] == []
        await reader.close()
    pair = open_disk().pair
    entry = make_entry(clock, "after")
    await pair.writer.put([entry])
    assert await pair.get(entry.key) == [entry]


async def test_slots_of_killed_readers_are_cleared(tmp_path: Path, open_disk: OpenDisk, child: Child) -> None:
    opened = open_disk()
    empty = opened.environment.readers()
    reading = child("hold-read")
    assert line_of(reading) == "held"
    assert opened.environment.readers() != empty
    reading.kill()
    reading.wait()
    await opened.pair.writer.sweep(0.0)
    assert str(reading.pid) not in opened.environment.readers()


async def test_a_stuck_writer_elsewhere_holds_nobody_for_ever(
    open_disk: OpenDisk, clock: Clock, child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = open_disk().pair
    entry = make_entry(clock)
    await pair.writer.put([entry])
    monkeypatch.setattr(disk, "_PATIENCE", 0.2)
    stuck = child("hold-write")
    assert line_of(stuck) == "held"
    for work in (pair.writer.ping(), pair.writer.put([replace(entry, stored_at=clock.now + 1)])):
        with pytest.raises(StoreUnavailable, match="no transaction"):
            await work
    assert await pair.get(entry.key) == [entry], "readers do not wait for writers"
    monkeypatch.setattr(disk, "_PATIENCE", 30.0)
    stuck.kill()
    other = make_entry(clock, "other")
    await pair.writer.put([other])
    assert await pair.get(other.key) == [other]
