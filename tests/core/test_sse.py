from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askonce.core.sse import ServerSentEvent, SseParser, frame

quick = settings(max_examples=80, deadline=None)

STREAMS = {
    "lf": b"data: one\n\ndata: two\n\n",
    "crlf": b"data: one\r\n\r\ndata: two\r\n\r\n",
    "cr": b"data: one\r\rdata: two\r\r:end\n\n",
    "mixed": b"data: one\r\n\ndata: two\n\r\ndata: three\r\n\r\n\n",
    "bom": b"\xef\xbb\xbfdata: one\n\ndata: \xef\xbb\xbftwo\n\n",
    "comments": b": hello\n\n:\n\ndata: one\n: in between\ndata: two\n\n",
    "several lines": b"data: one\ndata:two\ndata\ndata: \n\n",
    "named": b"event: ping\ndata: {}\n\nid: 7\nevent:done\nretry: 1\ndata: x\n\n",
    "no data": b"event: ping\n\n\n\n\ndata: x\n\n",
    "spaces": b"data:  two\n\n data: no field\n\ndata : none\n\n",
    "unfinished": b"data: one\n\ndata: tw",
    "unfinished line": b"data: one\n\ndata: two\n",
    "a character of four bytes": "data: \U0001f600\u0085\u2028x\n\n".encode(),
    "empty": b"",
}


def read(stream, pieces):
    parser = SseParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    assert b"".join(event.raw for event in events) + parser.rest == stream
    return events, parser.rest


def cut(stream, places):
    edges = [0, *sorted(places), len(stream)]
    return [stream[begin:end] for begin, end in pairwise(edges)]


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS.keys())
def test_every_way_of_cutting_reads_alike(stream):
    whole = read(stream, [stream])
    assert read(stream, [bytes([byte]) for byte in stream]) == whole
    for place in range(len(stream) + 1):
        assert read(stream, cut(stream, [place])) == whole


lines = st.lists(
    st.sampled_from(
        [b"data: x", b"data:", b"event: e", b": c", b"id: 1", b"junk", b"", b"data: \xc3\xa4", b"\xef\xbb\xbf"]
    )
    | st.binary(max_size=6),
    max_size=8,
)


@quick
@given(lines, st.lists(st.sampled_from([b"\n", b"\r\n", b"\r"]), min_size=8, max_size=8), st.data())
def test_any_stream_cut_anywhere_reads_alike(lines, endings, data):
    stream = b"".join(line + ending for line, ending in zip(lines, endings, strict=False))
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    assert read(stream, cut(stream, places)) == read(stream, [stream])


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ("lf", [b"one", b"two"]),
        ("crlf", [b"one", b"two"]),
        ("mixed", [b"one", b"two", b"three", b""]),
        ("bom", [b"one", b"\xef\xbb\xbftwo"]),
        ("comments", [b"", b"", b"one\ntwo"]),
        ("several lines", [b"one\ntwo\n\n"]),
        ("spaces", [b" two", b"", b""]),
        ("unfinished", [b"one"]),
        ("unfinished line", [b"one"]),
    ],
)
def test_the_data_of_events(stream, expected):
    assert [event.data for event in read(STREAMS[stream], [STREAMS[stream]])[0]] == expected


def test_the_type_of_events():
    events, _ = read(STREAMS["named"], [STREAMS["named"]])
    assert [(event.event, event.data) for event in events] == [(b"ping", b"{}"), (b"done", b"x")]


def test_an_event_comes_as_soon_as_its_blank_line_is_certain():
    parser = SseParser()
    assert parser.feed(b"data: x\n\n") == [ServerSentEvent(b"x", b"data: x\n\n")]
    assert parser.feed(b"data: y\r\n\r") == []
    assert parser.feed(b"\n") == [ServerSentEvent(b"y", b"data: y\r\n\r\n")]


@quick
@given(st.lists(st.binary(max_size=20).filter(lambda data: not {10, 13} & set(data)), max_size=5))
def test_what_is_framed_reads_back(parts):
    stream = b"".join(frame(part) for part in parts)
    assert [event.data for event in read(stream, [stream])[0]] == parts
