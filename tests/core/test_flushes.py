"""What a flush reaches, and what of an entry's frame says so."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce.core.entry import JSON, Entry, Lookup
from askonce.core.errors import WireError
from askonce.core.events import Answered, Flushed
from askonce.core.flushes import Flushes, reaches
from askonce.core.key import CacheKey, nest, outer_of
from askonce.core.wire import LEAST, Stamp, encode, encode_entry, header_size, stamp

configured = st.text("ab:.-_", max_size=8)
requested = st.text("ab:.-_", min_size=1, max_size=8)


def key(namespace: str) -> CacheKey:
    return CacheKey(namespace, "a" * 64)


def entry(home: str | None, payload: bytes = b"{}", text: str = "") -> Entry:
    lookup = Lookup(key("team"), "5" * 64 if text else "", text)
    return Entry(lookup, payload, JSON, 1000.5, None, "gpt", "completion", home=home)


@given(configured, st.just("") | requested)
def test_the_namespace_around_a_request_can_be_told_from_the_two_nested(outer, inner):
    assert outer_of(nest(outer, inner), inner) == outer


@given(configured, st.just("") | requested, configured)
def test_a_flush_reaches_its_own_proxy_whatever_namespaces_requests_have_and_no_other(own, inner, flushed):
    assert reaches(flushed, key(nest(own, inner)), own) == (flushed == own)


@pytest.mark.parametrize(
    ("namespace", "reached"),
    [("", {""}), ("team", {"team", "team:", "team:b", "team:b:c"}), ("team:b", {"team:b", "team:b:c"}), ("b", set())],
)
def test_where_no_home_was_noted_the_key_decides(namespace, reached):
    names = {"", "team", "team:", "team:b", "team:b:c", "team2", "team2:b", "x:team", "tea", "Team", "team.b"}
    assert {one for one in names if reaches(namespace, key(one), None)} == reached


@given(st.lists(st.tuples(configured, st.floats(0, 1e9)), max_size=20), configured, st.none() | configured)
def test_the_latest_flush_counts_in_whatever_order_they_come(flushed, namespace, home):
    flushes = Flushes()
    for name, at in flushed:
        flushes.note(Flushed(name, at))
    expected = max((at for name, at in flushed if reaches(name, key(namespace), home)), default=-math.inf)
    assert flushes.at(key(namespace), home) == expected


@pytest.mark.parametrize("home", [None, "", "team"])
@pytest.mark.parametrize("text", ["", "long " * 1000])
def test_a_frames_first_bytes_say_when_and_where_it_was_kept(home, text):
    frame = encode_entry(entry(home, b"x" * 5000, text))
    size = header_size(frame[:LEAST])
    assert LEAST < size == len(frame) - 5000
    assert stamp(frame) == stamp(frame[:size]) == Stamp(1000.5, home)
    with pytest.raises(WireError):
        stamp(frame[: size - 1])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"AO1E\0\0",
        b"no frame of ours",
        encode(Answered("id", 1.0, (entry(None),))),
        struct.pack(">3scI", b"AO1", b"E", 2) + b"{}",
        struct.pack(">3scI", b"AO1", b"E", 15) + b'{"stored":true}',
        struct.pack(">3scI", b"AO1", b"E", 23) + b'{"stored":1,"home":"?"}',
    ],
)
def test_what_is_no_entry_has_no_stamp(data):
    with pytest.raises(WireError):
        header_size(data)
        stamp(data)
