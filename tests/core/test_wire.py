import struct
from contextlib import nullcontext
from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askonce.core.entry import JSON, MEDIA_TYPE, Entry, Lookup, Usage, Vector
from askonce.core.errors import WireError
from askonce.core.events import Answered, Cooled, Deleted, Flushed, Superseded
from askonce.core.key import NAMESPACE, CacheKey
from askonce.core.wire import decode, decode_entry, encode, encode_entry, floats, split, unpack_floats


def floats_of(numbers):
    return struct.pack(f"<{len(numbers)}f", *numbers)


quick = settings(max_examples=60, deadline=None)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
times = st.floats(0, 1e12, exclude_max=True)
media_types = st.from_regex(MEDIA_TYPE, fullmatch=True)
keys = st.builds(
    CacheKey, st.text("ab:.-_", max_size=8), st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}")
)
vectors = st.builds(Vector, texts, st.lists(st.floats(width=32), min_size=1, max_size=5).map(floats_of))
scopes = st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}")
matched = st.builds(Lookup, keys, scopes, texts, st.none() | vectors)
homes = st.from_regex(NAMESPACE, fullmatch=True) | st.just("")
usages = st.builds(Usage, st.integers(0, 2**53), st.integers(0, 2**53), st.integers(0, 2**53))
entries = st.builds(
    Entry,
    lookup=keys.map(Lookup) | matched,
    payload=st.binary(max_size=60),
    media_type=media_types,
    stored_at=times,
    ttl=st.none() | times,
    model=texts,
    call_type=texts,
    usage=usages,
    home=st.none() | homes,
    cost=st.none() | st.integers(0, 2**63 - 1),
)
answered = st.builds(Answered, id=texts, asked_at=times, entries=st.lists(entries, max_size=4).map(tuple))
told = st.lists(keys, max_size=4).map(tuple)
events = (
    answered
    | st.builds(Superseded, told, times)
    | st.builds(Deleted, told, times)
    | st.builds(Flushed, homes, times)
    | st.builds(Cooled, texts, times)
)


def entry(payload=b"{}", number=0):
    key = CacheKey("ns", f"{number:064x}")
    return Entry(Lookup(key), payload, JSON, 1000.0, 60.0, "gpt", "completion", Usage(1, 2))


@quick
@given(entries)
def test_an_entry_reads_back_but_for_its_vector(kept):
    assert decode_entry(encode_entry(kept)) == replace(kept, lookup=replace(kept.lookup, vector=None))


@quick
@given(events)
def test_an_event_reads_back(event):
    assert decode(encode(event)) == event


@settings(max_examples=15, deadline=None)
@given(events)
def test_a_cut_event_is_none(event):
    written = encode(event)
    for length in range(len(written)):
        with pytest.raises(WireError):
            decode(written[:length])


def test_a_cut_entry_is_none():
    written = encode_entry(entry())
    for length in range(len(written)):
        with pytest.raises(WireError):
            decode_entry(written[:length])


@quick
@given(events)
def test_bytes_too_many_make_it_none(event):
    with pytest.raises(WireError):
        decode(encode(event) + b"x")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_noise_is_none(noise):
    for data in (noise, b"AO1" + noise, b"AO1E" + noise, b"AO1A\x00\x00\x00\x02{}" + noise):
        for read in (decode, decode_entry):
            with pytest.raises(WireError):
                read(data)


DESCRIBED = {
    "key": "0" * 64,
    "size": 0,
    "media": JSON,
    "stored": 1.0,
    "ttl": None,
    "model": "m",
    "call": "completion",
    "usage": [0, 0],
}


def framed(kind, header):
    written = orjson.dumps(header)
    return struct.pack(">3scI", b"AO1", kind, len(written)) + written


@pytest.mark.parametrize(
    "vector", [["model", 0], ["model", 3], ["model", -4], ["model", 8], [7, 4], ["model"], {}, None, ["model", True]]
)
def test_a_header_that_misdescribes_a_vector_is_refused(vector):
    """Four bytes stand after the payload."""
    described = {**DESCRIBED, "size": 2, "vector": vector}
    with pytest.raises(WireError):
        decode(framed(b"A", {"id": "x", "asked": 1, "entries": [described]}) + b"{}" + bytes(4))


def test_a_vector_reads_back_beside_its_neighbours_payload():
    described = [{**DESCRIBED, "size": 2, "vector": ["model", 4]}, {**DESCRIBED, "size": 3}]
    event = decode(framed(b"A", {"id": "x", "asked": 1, "entries": described}) + b"ab" + floats_of([1.5]) + b"cde")
    assert [one.payload for one in event.entries] == [b"ab", b"cde"]
    assert [one.lookup.vector for one in event.entries] == [Vector("model", floats_of([1.5])), None]


@pytest.mark.parametrize("name", DESCRIBED)
@pytest.mark.parametrize("value", ["x", [], {}, None, -1, [1], ["a", "b"]])
def test_a_header_of_other_types_is_no_entry(name, value):
    """Nothing is bent into shape: a header that somebody else wrote is an entry of ours or a WireError."""
    fits = repr((name, value)) in {"('ttl', None)", "('model', 'x')", "('call', 'x')"}
    header = {**DESCRIBED, name: value}
    for read, data in (
        (decode_entry, framed(b"E", header)),
        (decode, framed(b"A", {"id": "x", "asked": 1, "entries": [header]})),
    ):
        with nullcontext() if fits else pytest.raises(WireError):
            read(data)


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_missing_member_is_refused(name):
    header = {other: value for other, value in DESCRIBED.items() if other != name}
    with pytest.raises(WireError):
        decode_entry(framed(b"E", header))


@pytest.mark.parametrize(
    "data",
    [
        framed(b"E", DESCRIBED),
        framed(b"X", {}),
        struct.pack(">3scI", b"AO1", b"D", 3) + b"{,}",
        struct.pack(">3scI", b"AO2", b"D", 2) + b"{}",
        framed(b"D", {"keys": ["no key"], "at": 1}),
        framed(b"D", {"keys": [1], "at": 1}),
        framed(b"D", {"keys": 1, "at": 1}),
        framed(b"S", {"at": 1}),
        framed(b"F", {"at": 1}),
        framed(b"F", {"namespace": None, "at": 1}),
        framed(b"F", {"namespace": "no namespace", "at": 1}),
        framed(b"F", {"namespace": "n" * 129, "at": 1}),
        framed(b"F", {"namespace": "team", "at": -1}),
        framed(b"A", []),
        framed(b"A", {"id": "x", "asked": 1, "entries": [{**DESCRIBED, "size": -1}, {**DESCRIBED, "size": 1}]}),
        framed(b"A", {"id": "x", "asked": 1, "entries": ["x"]}),
    ],
)
def test_these_are_no_events(data):
    with pytest.raises(WireError):
        decode(data)


@pytest.mark.parametrize("home", [None, 7, "a b", "n" * 129, ["team"]])
def test_these_are_no_homes(home):
    with pytest.raises(WireError):
        decode_entry(framed(b"E", {**DESCRIBED, "home": home}))


@pytest.mark.parametrize("name", ["stored", "ttl"])
@pytest.mark.parametrize("written", [b"-1", b"-0.5", b"1e12", b"1e400", b"true", b'"1"', b"[]"])
def test_these_are_no_times(name, written):
    """Neither before the epoch, nor beyond any date, nor infinite: 1e400 is beyond the largest double."""
    header = orjson.dumps({**DESCRIBED, name: orjson.Fragment(written)})
    with pytest.raises(WireError):
        decode_entry(struct.pack(">3scI", b"AO1", b"E", len(header)) + header)
    asked = orjson.dumps({"id": "x", "asked": orjson.Fragment(written), "entries": []})
    with pytest.raises(WireError):
        decode(struct.pack(">3scI", b"AO1", b"A", len(asked)) + asked)


@pytest.mark.parametrize(
    "media",
    ["text/plain; charset=utf-8", "text", "/plain", "text/", "a b/c", "text/plain\r\n", "t\u00e4xt/plain", "", None],
)
def test_these_are_no_media_types(media):
    with pytest.raises(WireError):
        decode_entry(framed(b"E", {**DESCRIBED, "media": media}))


def test_an_event_is_no_entry():
    with pytest.raises(WireError):
        decode_entry(encode(Answered("id", 1.0, (entry(),))))


@quick
@given(st.lists(st.integers(0, 400), max_size=12), st.integers(100, 1200))
def test_split_stays_under_the_limit_and_loses_nothing(sizes, limit):
    event = Answered("e" * 32, 1000.0, tuple(entry(b"x" * size, number) for number, size in enumerate(sizes)))
    parts, misfits = split(event, limit)
    assert all(len(encode(part)) <= limit for part in parts)
    assert all(part.entries and part.asked_at == event.asked_at for part in parts)
    assert len({part.id for part in parts}) == len(parts)
    left = [one for part in parts for one in part.entries]
    assert left == [one for one in event.entries if one not in misfits]
    assert sorted([*left, *misfits], key=str) == sorted(event.entries, key=str)
    assert all(len(encode(Answered(event.id, 1000.0, (one,)))) + 8 > limit for one in misfits)
    assert split(event, limit) == (parts, misfits)


def test_an_event_that_fits_keeps_its_name():
    event = Answered("name", 1.0, (entry(number=1), entry(number=2)))
    assert split(event, 10_000) == ([event], [])


@quick
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_a_vector_of_float32_is_packed_without_loss(vector):
    packed = floats(vector)
    assert packed is not None
    assert len(packed) == 4 * len(vector)
    assert list(map(repr, unpack_floats(packed))) == list(map(repr, vector))


def test_packing_is_little_endian():
    assert floats([1.0]) == b"\x00\x00\x80\x3f"


@pytest.mark.parametrize("vector", [[0.1], [1e300], [1], [0.5, True], ["x"], [None], [[0.5]], [0.5, 2**70]])
def test_what_would_lose_is_not_packed(vector):
    assert floats(vector) is None


def test_an_entry_of_before_there_were_costs_has_none():
    read = decode_entry(framed(b"E", DESCRIBED))
    assert (read.cost, read.usage) == (None, Usage())


@pytest.mark.parametrize("member", [{"cost": -1}, {"cost": 0.5}, {"cost": "1"}, {"cost": None}, {"cached": -1}])
def test_a_cost_that_is_none_makes_no_entry(member):
    with pytest.raises(WireError):
        decode_entry(framed(b"E", DESCRIBED | member))
