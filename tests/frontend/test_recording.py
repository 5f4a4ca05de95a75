"""One answer, many readers: who gets what, and what an error or an end is to each of them."""

import asyncio

import pytest

from askonce.core.errors import UpstreamTimeout, UpstreamUnavailable
from askonce.frontend.recording import Recording
from tests.frontend.kit import settle
from tests.frontend.reading import CHUNK, HEAD, STRAGGLE, Client, chunks_of, done, feed, read


@pytest.mark.parametrize("limit", [0, 100, 10 * CHUNK, 1 << 30])
async def test_readers_of_any_pace_get_every_byte(limit: int) -> None:
    recording = Recording(limit)
    clients = [Client(recording, turns) for turns in (0, 1, 2, 5)]
    recording.open(HEAD)
    sent = chunks_of(30, 1000) + chunks_of(30)
    assert await feed(recording, sent)
    recording.finish()
    await done(*clients)
    assert [client.got for client in clients] == [sent] * 4
    assert recording.size == sum(map(len, sent))


async def test_whoever_joins_reads_from_the_start() -> None:
    recording = Recording(1 << 20)
    recording.open(HEAD)
    first = Client(recording)
    recording.append(b"a")
    await settle()
    recording.append(b"b")
    late = Client(recording)
    await settle()
    assert recording.joinable
    assert (first.body, late.body) == (b"ab", b"ab")
    recording.append(b"c")
    recording.finish()
    await done(first, late)
    assert (first.body, late.body, recording.whole()) == (b"abc", b"abc", b"abc")


async def test_a_recording_ends_for_a_reader_who_reads_it_afterwards() -> None:
    recording = Recording(1 << 20)
    recording.open(HEAD)
    reading = recording.join()
    recording.append(b"all")
    recording.finish()
    assert await reading.rest_or_overflow() == ([b"all"], True)
    assert await recording.head() == recording.opened == HEAD
    await recording.over()


async def test_nobody_joins_after_the_end_or_the_overflow() -> None:
    ended = Recording(10)
    assert ended.joinable
    ended.open(HEAD)
    ended.append(b"0123456789")
    assert ended.joinable, "the limit itself still fits"
    ended.finish()
    assert not ended.joinable
    full = Recording(10)
    full.open(HEAD)
    full.append(b"01234567890")
    assert full.overflown
    assert not full.joinable


async def test_nothing_is_freed_while_it_may_be_kept() -> None:
    recording = Recording(4 * CHUNK)
    recording.open(HEAD)
    client = Client(recording)
    await feed(recording, chunks_of(4))
    recording.finish()
    await done(client)
    assert recording.whole() == b"".join(chunks_of(4))


async def test_the_upstream_is_read_at_any_pace_while_the_answer_is_held() -> None:
    recording = Recording(1 << 30)
    recording.open(HEAD)
    recording.join()  # and never reads
    assert await feed(recording, chunks_of(40))
    assert recording.size > STRAGGLE


async def test_who_waits_for_an_entry_waits_for_the_end_or_for_an_overflow() -> None:
    for ending in (lambda one: one.append(b"0123456789x"), lambda one: one.finish(UpstreamUnavailable("broke off"))):
        recording = Recording(10)
        recording.open(HEAD)
        recording.append(b"")
        waiting = asyncio.create_task(recording.over())
        await settle()
        assert not waiting.done()
        ending(recording)
        async with asyncio.timeout(20):
            await waiting


async def test_the_last_reader_to_leave_is_noticed() -> None:
    recording, abandoned = Recording(0), []
    recording.on_abandoned = lambda: abandoned.append(1)
    first, second = recording.join(), recording.join()
    first.leave()
    assert not abandoned
    second.leave()
    recording.join().leave()
    assert abandoned == [1], "once"


async def test_what_will_be_kept_goes_on_without_readers_until_it_is_too_large() -> None:
    recording, abandoned = Recording(10), []
    recording.on_abandoned = lambda: abandoned.append(1)
    recording.join().leave()
    recording.append(b"0123456789")
    assert not abandoned
    recording.append(b"!")
    assert abandoned == [1]


@pytest.mark.parametrize("limit", [0, 1 << 20])
async def test_an_error_reaches_every_reader_after_the_bytes_before_it(limit: int) -> None:
    recording = Recording(limit)
    clients = [Client(recording, turns) for turns in (0, 1, 4)]
    recording.open(HEAD)
    await feed(recording, [b"one ", b"two "])
    late = recording.join()
    error = UpstreamUnavailable("broke off")
    recording.append(b"three")
    recording.finish(error)
    await done(*clients)
    assert [(client.body, client.error) for client in clients] == [(b"one two three", error)] * 3
    if limit:
        assert b"".join(await read(late, 3)) == b"one two three"
        with pytest.raises(UpstreamUnavailable, match="broke off"):
            await read(late, 1)


async def test_an_error_before_the_head_reaches_whoever_waits_for_it() -> None:
    recording = Recording(10)
    clients = [Client(recording), Client(recording)]
    heads = [asyncio.create_task(recording.head()) for _ in range(2)]
    await settle()
    error = UpstreamTimeout("too slow")
    recording.finish(error)
    assert await asyncio.gather(*heads, return_exceptions=True) == [error, error]
    await done(*clients)
    assert [(client.body, client.error) for client in clients] == [(b"", error)] * 2
    with pytest.raises(UpstreamTimeout):
        await recording.head()
    assert not recording.joinable


async def test_an_end_without_any_head_is_an_error_too() -> None:
    recording = Recording(10)
    recording.finish()
    with pytest.raises(UpstreamUnavailable):
        await recording.head()


async def test_one_who_stops_waiting_for_the_head_takes_it_from_nobody() -> None:
    recording = Recording(10)
    impatient, patient = asyncio.create_task(recording.head()), asyncio.create_task(recording.head())
    await settle()
    impatient.cancel()
    await settle()
    recording.open(HEAD)
    assert await patient == HEAD
    assert impatient.cancelled()
