"""From entries to the bytes of a hit: both ways to write the head agree, times are right, and nothing breaks out."""

from email.utils import parsedate_to_datetime

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from askonce.calls.chat import CHAT
from askonce.calls.embeddings import EMBEDDINGS
from askonce.calls.endpoint import Body, Endpoint
from askonce.calls.transcription import TRANSCRIPTION
from askonce.core.entry import FLOATS, JSON, SSE, Entry, Found
from askonce.frontend.reply import HttpDate, Reply, from_entries, hit_bytes, hit_headers, miss_status
from tests.calls.chunks import ROOM
from tests.frontend.kit import NOW, entry, key

BODY: Body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
ANSWER = orjson.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_800_000_000,
        "model": "gpt-4o",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }
)
DATE = "Tue, 01 Jan 2019 00:00:00 GMT"


def reply(*entries: Entry, endpoint: Endpoint = CHAT, form: str = "plain", now: float = NOW) -> Reply:
    body = BODY if endpoint is CHAT else {"model": "m", "input": ["a"] * len(entries)}
    return from_entries(endpoint, body, form, [Found(one, "memory") for one in entries], now)


def spoken(media_type: str, payload: bytes = b"said") -> Reply:
    body = {"model": "whisper", "file": "f", "response_format": "srt"}
    return from_entries(TRANSCRIPTION, body, "plain", [Found(entry(1, payload, media_type=media_type), "disk")], NOW)


def parse(head: bytes) -> list[tuple[str, str]]:
    """The head as a strict reader of HTTP/1.1 sees it."""
    first, *lines = head.decode("ascii").split("\r\n")
    assert first == "HTTP/1.1 200 OK"
    assert lines[-2:] == ["", ""]
    fields = [line.split(": ", 1) for line in lines[:-2]]
    assert all(len(field) == 2 and "\n" not in field[1] and "\r" not in field[1] for field in fields)
    return [(name, value) for name, value in fields]


def agree(made: Reply) -> dict[str, str]:
    written = parse(hit_bytes(made, DATE))
    fields = dict(written)
    assert len(fields) == len(written), "no field twice"
    assert fields.pop("Content-Length") == str(len(made.body))
    assert fields.pop("Date") == DATE
    assert fields == hit_headers(made)
    return fields


def test_a_hit_says_what_it_is_in_both_ways_of_writing_it() -> None:
    fields = agree(reply(entry(7, ANSWER), now=NOW + 30.9))
    assert fields == {
        "Content-Type": "application/json",
        "Cache-Status": f'askonce; hit; ttl=569; key="{key(7)}"; detail=memory',
        "Age": "30",
        "x-litellm-cache-key": str(key(7)),
        "x-litellm-response-cost": "0.0",
    }


def test_an_entry_without_an_end_has_no_ttl() -> None:
    assert agree(reply(entry(ttl=None)))["Cache-Status"] == f'askonce; hit; key="{key(1)}"; detail=memory'


@pytest.mark.parametrize(
    ("stored_at", "ttl", "now", "age", "left"),
    [
        (NOW, 600.0, NOW, "0", 600),
        (NOW, 600.0, NOW + 599.9, "599", 0),
        (NOW, 600.0, NOW + 600, "600", 0),
        (NOW, 600.0, NOW + 605, "605", 0),  # the end came between the plan and the reply
        (NOW + 40, 600.0, NOW, "0", 640),  # a writer whose clock is ahead
        (NOW, 0.0, NOW, "0", 0),
        (NOW, 0.5, NOW + 0.4, "0", 0),
        (NOW, 9_999_999_999.0, NOW, "0", 9_999_999_999),
        (0.0, None, NOW, "1800000000", None),
    ],
)
def test_age_and_ttl_are_whole_seconds_and_never_negative(
    stored_at: float, ttl: float | None, now: float, age: str, left: int | None
) -> None:
    made = reply(entry(stored_at=stored_at, ttl=ttl), now=now)
    assert (agree(made)["Age"], made.ttl) == (age, left)


def test_an_answer_of_several_entries_is_as_old_as_the_oldest_and_lives_as_the_shortest() -> None:
    payload = orjson.dumps({"object": "list", "data": [{"index": 0, "embedding": [1]}], "model": "m"})
    entries = [
        entry(1, payload, stored_at=NOW - 10, ttl=None),
        entry(2, payload, stored_at=NOW - 50, ttl=500.0),
        entry(3, payload, stored_at=NOW - 20, ttl=100.0),
    ]
    made = reply(*entries, endpoint=EMBEDDINGS, now=NOW)
    assert (made.age, made.ttl, made.key) == (50, 80, str(key(1)))
    assert [one["index"] for one in orjson.loads(made.body)["data"]] == [0, 1, 2]
    agree(made)
    assert reply(*entries, endpoint=EMBEDDINGS, now=NOW + 200).ttl == 0
    assert reply(entries[0], entries[0], endpoint=EMBEDDINGS).ttl is None


def test_a_form_is_rendered_once_and_each_form_by_itself() -> None:
    found = [Found(entry(1, ANSWER), "memory")]
    counting = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
    bodies = {"plain": BODY, "stream": {**BODY, "stream": True}, "stream+usage": counting}
    first = {form: from_entries(CHAT, body, form, found, NOW).body for form, body in bodies.items()}
    assert found[0].forms == first
    assert len(set(first.values())) == 3
    again = {form: from_entries(CHAT, body, form, found, NOW + 9).body for form, body in bodies.items()}
    assert all(again[form] is first[form] for form in first)
    assert first["plain"] == ANSWER
    assert b"usage" not in first["stream"]
    assembled = CHAT.assemble(first["stream+usage"], ROOM)
    assert assembled is not None
    assert orjson.loads(assembled.payload) == orjson.loads(ANSWER)


def test_a_stream_is_told_as_one() -> None:
    made = reply(entry(1, ANSWER), form="stream")
    assert agree(made)["Content-Type"].startswith(SSE)
    kept = b'data: {"choices":[]}\n\ndata: [DONE]\n\n'
    assert reply(entry(1, kept, media_type=SSE), form="stream").body == kept


def test_a_packed_vector_is_told_as_the_json_that_is_sent() -> None:
    (kept,) = EMBEDDINGS.answers(
        {"model": "m", "input": "a"},
        orjson.dumps({"object": "list", "data": [{"index": 0, "embedding": [0.5, 0.25]}], "model": "m"}),
        JSON,
    )
    assert kept.media_type == FLOATS
    packed = entry(1, kept.payload, media_type=FLOATS)
    for made in (reply(packed, endpoint=EMBEDDINGS), reply(packed, packed, endpoint=EMBEDDINGS)):
        assert agree(made)["Content-Type"] == JSON
        assert orjson.loads(made.body)["data"][0]["embedding"] == [0.5, 0.25]


@pytest.mark.parametrize(
    ("kept", "sent"),
    [
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/vtt", "text/vtt; charset=utf-8"),
        (JSON, JSON),
        ("application/x-subrip", "application/x-subrip"),
        ("application/octet-stream", "application/octet-stream"),
        ("audio/x-nonsense+xml", "audio/x-nonsense+xml"),
        ("audio/l16; rate=24000;channels=1", "audio/l16; rate=24000;channels=1"),
        ('audio/mp4; codecs="mp4a.40.2, opus"', 'audio/mp4; codecs="mp4a.40.2, opus"'),
    ],
)
def test_an_answer_kept_as_it_came_goes_out_with_its_own_type(kept: str, sent: str) -> None:
    made = spoken(kept)
    assert (agree(made)["Content-Type"], made.body) == (sent, b"said")


@pytest.mark.parametrize(
    "odd",
    [
        "text/plain\r\nX-Evil: 1", "text/\r\nx: 1", "text/plain\n", "text/plain\r", "\r\n\r\nbody", "", "text", "/",
        "text/plain; charset=utf-8", "text/pl\u00e4in", "text/a b", "text/a\x7f", "text/x\x85y", "te\x00xt/plain",
        "text/plain\u2028x", "a/b\udc80", " text/plain", "text/plain ", "text//plain",
        "audio/l16; rate", "audio/l16; rate=1\r\nx: 1", 'audio/l16; a="b', "audio/l16;", "text/plain; a=b",
    ],
)  # fmt: skip
def test_a_type_that_is_none_is_not_repeated(odd: str) -> None:
    assert agree(spoken(odd))["Content-Type"] == "application/octet-stream"


@settings(max_examples=50)
@given(st.text(max_size=30))
def test_whatever_the_type_the_head_stays_whole(media_type: str) -> None:
    fields = agree(spoken(media_type))
    assert list(fields) == ["Content-Type", "Cache-Status", "Age", "x-litellm-cache-key", "x-litellm-response-cost"]


async def test_a_providers_type_cannot_break_out_of_the_head() -> None:
    """The client library decodes RFC 2047's words in a type, and line breaks come out of them."""

    async def transcribe(_: web.Request) -> web.Response:
        return web.Response(body=b"said", headers={"Content-Type": "text/=?utf-8?b?DQpYLUV2aWw6IDE=?="})

    application = web.Application()
    application.router.add_post("/", transcribe)
    async with (
        TestServer(application) as server,
        aiohttp.ClientSession() as session,
        session.post(server.make_url("/")) as response,
    ):
        came = response.content_type
    fields = agree(spoken(came))
    assert "evil" not in str(fields).lower()


def test_a_miss_says_why_it_went_on_and_what_becomes_of_it() -> None:
    assert miss_status(fwd="miss", key="k") == 'askonce; fwd=miss; key="k"'
    assert miss_status(fwd="miss", key="k", stored=True, ttl=0.0) == 'askonce; fwd=miss; stored; ttl=0; key="k"'
    assert miss_status(fwd="miss", key="k", ttl=60.0) == 'askonce; fwd=miss; key="k"'
    assert (
        miss_status(fwd="partial", key="k", stored=True, collapsed=True, ttl=59.9, detail="why")
        == 'askonce; fwd=partial; stored; collapsed; ttl=59; key="k"; detail=why'
    )


def test_the_date_is_that_of_the_second() -> None:
    dates = HttpDate()
    for now in (NOW, NOW + 0.9, NOW + 1, NOW - 60, 0.0):
        assert parsedate_to_datetime(dates.at(now)).timestamp() == int(now)
    assert dates.at(NOW).endswith(" GMT")
    assert dates.at(NOW) is dates.at(NOW + 0.5)
