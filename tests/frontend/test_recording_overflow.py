"""A recording that outgrew its limit: what is still held, who sets the pace, who is cut off."""

import asyncio

import pytest

from askonce.frontend.recording import CutOffError, Recording
from tests.frontend.kit import settle
from tests.frontend.reading import CHUNK, HEAD, STRAGGLE, WINDOW, Client, chunks_of, done, feed, read


async def test_a_reader_learns_of_the_overflow_and_reads_on() -> None:
    recording = Recording(10)
    reading = recording.join()
    recording.open(HEAD)
    recording.append(b"0123")
    waiting = asyncio.create_task(reading.rest_or_overflow())
    await settle()
    assert not waiting.done()
    recording.append(b"4567890")
    held, ended = await waiting
    assert (b"".join(held), ended) == (b"01234567890", False)
    recording.append(b"more")
    recording.finish()
    assert [chunk async for chunk in reading.chunks()] == [b"more"]


async def test_an_overflow_frees_what_every_reader_has() -> None:
    recording = Recording(CHUNK)
    recording.open(HEAD)
    ahead, behind = recording.join(), recording.join()
    for chunk in chunks_of(4):
        recording.append(chunk)
    await read(ahead, 4)
    assert len(recording.whole()) == 4 * CHUNK, "the other still needs it all"
    await read(behind, 3)
    assert len(recording.whole()) == CHUNK
    behind.leave()
    assert recording.whole() == b""
    ahead.leave()
    recording.append(b"x" * CHUNK)
    assert recording.whole() == b"", "nobody is left to need it"


async def test_after_an_overflow_the_upstream_waits_for_the_fastest_reader() -> None:
    recording = Recording(0)
    recording.open(HEAD)
    fast, slow = recording.join(), recording.join()
    feeding = asyncio.create_task(feed(recording, chunks_of(100)))
    await settle()
    assert recording.size == WINDOW + CHUNK
    await read(slow, 1)
    await settle()
    assert recording.size == WINDOW + 2 * CHUNK
    await read(fast, 4)
    await settle()
    assert recording.size == WINDOW + 5 * CHUNK, "four chunks wanted by the fastest, however slow the other is"
    assert not feeding.done()
    fast.leave()
    slow.leave()
    assert await feeding is False


async def test_when_the_fastest_reader_leaves_the_next_one_sets_the_pace() -> None:
    recording = Recording(0)
    recording.open(HEAD)
    fast, slow = recording.join(), recording.join()
    for chunk in chunks_of(6):
        recording.append(chunk)
    await read(fast, 6)
    assert await recording.room()
    fast.leave()
    waiting = asyncio.create_task(recording.room())
    await settle()
    assert not waiting.done(), "the one that is left is behind"
    await read(slow, 2)
    assert await waiting


async def test_nobody_left_wants_no_more_but_only_after_an_overflow() -> None:
    recording = Recording(10)
    recording.open(HEAD)
    reading = recording.join()
    reading.leave()
    recording.append(b"0123456789")
    assert await recording.room(), "it goes on without its first client, to be kept"
    recording.append(b"x")
    assert await recording.room() is False


async def test_a_straggler_is_cut_off_and_the_others_go_on() -> None:
    recording = Recording(CHUNK)
    recording.open(HEAD)
    straggler = recording.join()
    steady = Client(recording, turns=1)
    fast = Client(recording)
    sent = chunks_of(STRAGGLE // CHUNK + 20)
    assert await feed(recording, sent)
    recording.finish()
    await done(steady, fast)
    assert fast.got == steady.got == sent
    with pytest.raises(CutOffError):
        await read(straggler, 1)
    assert len(recording.whole()) < CHUNK * 20
    straggler.leave()


async def test_a_straggler_that_waits_in_the_middle_keeps_what_it_has_and_is_told_at_its_next_read() -> None:
    recording = Recording(CHUNK)
    recording.open(HEAD)
    sent = chunks_of(STRAGGLE // CHUNK + 20)
    slow, fast = recording.join(), Client(recording)
    recording.append(sent[0])
    assert await read(slow, 1) == sent[:1]
    assert await feed(recording, sent[1:])
    with pytest.raises(CutOffError):
        async for _ in slow.chunks():
            pytest.fail("a chunk after the cut")
    recording.finish()
    await done(fast)
    assert fast.got == sent


async def test_a_reader_alone_is_never_cut_off() -> None:
    recording = Recording(0)
    recording.open(HEAD)
    reading = recording.join()
    for chunk in chunks_of(2 * STRAGGLE // CHUNK):
        recording.append(chunk)  # an upstream that sends without being asked
    recording.finish()
    held, ended = [], False
    while not ended:
        more, ended = await reading.rest_or_overflow()
        held += more
    assert held == chunks_of(2 * STRAGGLE // CHUNK)
