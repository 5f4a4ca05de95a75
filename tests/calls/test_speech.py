from base64 import b64encode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce.calls.endpoint import Answer, Malformed
from askonce.calls.speech import SPEECH
from askonce.core.entry import JSON, MEDIA_TYPE, SSE, Usage
from askonce.core.errors import RequestError
from askonce.core.key import canonical
from tests.calls.answers import quick, sse
from tests.calls.chunks import ROOM

BODY = {"model": "tts-1", "input": "Kept once.", "voice": "alloy"}
USAGE = {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}
WAV = b"RIFF$\0\0\0WAVEfmt \x10\0\0\0" + bytes(range(256))


def asked(**members):
    return {**BODY, **members}


EVENTS = asked(stream_format="sse")


@pytest.mark.parametrize(
    "members", [{}, {"voice": None}, {"voice": {"id": "voice_1"}}, {"speed": 99}, {"input": " "}, {"stream_format": 1}]
)
def test_what_is_asked_is_the_providers_to_judge(members):
    SPEECH.check(asked(**members))


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": None}, "model"),
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": ["a"]}, "input"),
        ({"input": {"text": "a"}}, "input"),
    ],
)
def test_what_could_not_be_spoken_is_refused_by_the_field(members, param):
    with pytest.raises(RequestError) as caught:
        SPEECH.check(asked(**members))
    assert (caught.value.status, caught.value.param) == (400, param)


def test_only_events_are_a_stream():
    assert SPEECH.streamed(EVENTS)
    assert not any(SPEECH.streamed(body) for body in (asked(), asked(stream_format="audio"), asked(stream=True)))


def test_every_member_is_in_the_key_and_the_two_forms_never_meet():
    bodies = [
        asked(),
        EVENTS,
        asked(stream_format="audio"),
        asked(stream=True),
        asked(stream=False),
        asked(input="Kept twice."),
        asked(voice="ash"),
        asked(voice={"id": "ash"}),
        asked(instructions="Whisper."),
        asked(response_format="wav"),
        asked(speed=1.5),
        asked(unheard_of=1),
    ]
    keys = [tuple(map(canonical, SPEECH.parts(body))) for body in bodies]
    assert len(set(keys)) == len(bodies)
    assert all(len(key) == 1 for key in keys)
    assert SPEECH.parts(asked(stream=None)) == [asked(stream=None)]


@pytest.mark.parametrize(
    "media_type",
    [
        *("audio/mpeg", "audio/wav", "audio/x-wav", "audio/opus", "audio/ogg", "audio/aac", "audio/flac", "audio/pcm"),
        *("audio/l16", "audio/vnd.wave", "video/mp4", "application/ogg"),
        *("application/octet-stream", "binary/octet-stream"),
    ],
)
def test_sound_is_kept_to_the_byte_with_its_type(media_type):
    kept = SPEECH.answers(asked(), WAV, media_type)
    assert kept == [Answer(WAV, media_type, Usage())]
    assert SPEECH.combine(asked(), kept) == (WAV, media_type)
    assert MEDIA_TYPE.fullmatch(media_type), "as stores take it"


@quick
@given(st.binary(min_size=1, max_size=40))
def test_no_bytes_are_changed(payload):
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        assert SPEECH.answers(asked(), payload, "audio/pcm") == [Answer(payload, "audio/pcm", Usage())]


def test_bytes_that_only_begin_as_json_are_sound():
    for payload in (b'{"error": "no"', b"{\0\0}", b"  {pcm}"):
        assert SPEECH.answers(asked(), payload, "audio/pcm")


def test_silence_is_nothing_to_keep():
    assert SPEECH.answers(asked(), b"", "audio/mpeg") == []


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"audio": "UklGRg=="}, Usage()),
        ({"audioContent": "UklGRg=="}, Usage()),
        ({"audio_base64": "UklGRg==", "alignment": {}, "usage": USAGE}, Usage(14, 101)),
        ({"data": {"audio": "52494646", "status": 2}, "base_resp": {"status_code": 0}}, Usage()),
        ({"audio": "UklGRg==", "error": None}, Usage()),
    ],
)
def test_json_that_holds_sound_is_kept_to_the_byte(told, usage):
    payload = orjson.dumps(told, option=orjson.OPT_INDENT_2)
    assert SPEECH.answers(asked(), payload, JSON) == [Answer(payload, JSON, usage)]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"RIFF",
        b"[]",
        b"{}",
        b'{"error":{"message":"no"}}',
        b'{"error":"no","audio":"UklGRg=="}',
        b'{"detail":"no such voice"}',
        b'{"status":"failure","message":"no"}',
        b'{"data":{"audio":""},"base_resp":{"status_code":1004,"status_msg":"login fail"}}',
        b'{"data":null,"extra_info":{"audio_format":"mp3"}}',
        b'{"audio":"https://host/gone-in-an-hour.mp3"}',
        b'{"audio":null}',
    ],
)
def test_json_without_sound_is_malformed_whatever_it_calls_itself(payload):
    with pytest.raises(Malformed):
        SPEECH.answers(asked(), payload, JSON)
    if payload.startswith(b"{"):
        for media_type in ("audio/mpeg", "application/octet-stream"):
            with pytest.raises(Malformed):
                SPEECH.answers(asked(), b"\n" + payload, media_type)


@pytest.mark.parametrize(
    "media_type", ["text/html", "text/plain", "application/xml", "image/png", "application/problem+json"]
)
def test_what_is_no_sound_is_malformed(media_type):
    with pytest.raises(Malformed):
        SPEECH.answers(asked(), WAV, media_type)


@pytest.mark.parametrize(("payload", "media_type"), [(WAV, "audio/wav"), (b'{"audio":"UklGRg=="}', JSON)])
def test_a_server_that_does_not_know_events_is_never_replayed_as_if_it_did(payload, media_type):
    with pytest.raises(Malformed):
        SPEECH.answers(EVENTS, payload, media_type)


def delta(sound=b"RIFF", **members):
    return {"type": "speech.audio.delta", "audio": b64encode(sound).decode(), **members}


def ended(**members):
    return {"type": "speech.audio.done", **members}


STREAM = sse(delta(WAV[:30]), delta(WAV[30:]), ended(usage=USAGE), done=False)
NAMED = STREAM.replace(b'data: {"type":"speech.audio.d', b'event: x\ndata: {"type":"speech.audio.d')


@pytest.mark.parametrize(
    "stream",
    [STREAM, STREAM + b"data: [DONE]\n\n", STREAM.replace(b"\n", b"\r\n"), b": ping\n\n" + STREAM, NAMED],
    ids=["plain", "with a done", "with other line endings", "with a comment", "with named events"],
)
def test_a_stream_is_kept_and_replayed_as_it_came(stream):
    assert SPEECH.complete(stream)
    kept = SPEECH.assemble(stream, ROOM)
    assert kept == Answer(stream, SSE, Usage(14, 101))
    assert SPEECH.frames(kept, EVENTS) == stream
    assert SPEECH.terminal in stream
    assert SPEECH.terminal not in sse(delta(WAV), delta(b"speech.audio.done"), done=False)


def test_other_events_are_replayed_with_the_rest_and_usage_may_be_missing():
    stream = sse({"type": "speech.started"}, delta(), ended(), done=False)
    assert SPEECH.complete(stream)
    assert SPEECH.assemble(stream, ROOM) == Answer(stream, SSE, Usage())


def test_a_stream_without_sound_is_nothing_to_keep():
    for stream in (sse(ended(usage=USAGE), done=False), sse(delta(b""), ended(), done=False)):
        assert SPEECH.complete(stream)
        assert SPEECH.assemble(stream, ROOM) is None


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        sse(delta(), done=False),
        sse(delta()),
        sse(ended(), delta(), done=False),
        sse(delta(), {"error": {"message": "no"}}, ended(), done=False),
        sse(delta(), {"type": "error", "message": "no"}, ended(), done=False),
        sse(delta(), done=False) + b"event: error\ndata: no\n\n" + sse(ended(), done=False),
        sse(delta(), done=False) + b'event: error\ndata: {"message":"no"}\n\n' + sse(ended(), done=False),
        sse(delta(), done=False) + b"data: not json\n\n" + sse(ended(), done=False),
        STREAM + b"data: {",
    ],
)
def test_a_stream_without_its_end_or_with_an_error_is_not_complete(stream):
    assert not SPEECH.complete(stream)
    with pytest.raises(Malformed):
        SPEECH.assemble(stream, ROOM)


@quick
@given(st.integers(0, len(STREAM) - 1))
def test_a_cut_stream_is_not_complete(at):
    assert not SPEECH.complete(STREAM[:at])


def test_a_stream_has_no_usage_to_ask_for():
    assert SPEECH.with_usage(EVENTS) is EVENTS
    assert not SPEECH.only_usage(orjson.dumps(ended(usage=USAGE)))
    assert SPEECH.narrow(EVENTS, [0]) is EVENTS


def test_what_a_client_calls_streamed_makes_no_two_questions_one():
    asked = {"model": "m", "input": "a"}
    bodies = [
        asked,
        {**asked, "stream": True},
        {**asked, "streamed": True},
        {**asked, "stream": True, "streamed": True},
    ]
    assert len({canonical(part) for body in bodies for part in SPEECH.parts(body)}) == len(bodies)
