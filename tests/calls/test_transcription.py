import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.audio import TranscriptionTextDeltaEvent, TranscriptionTextDoneEvent

from askonce.calls.endpoint import Answer, Malformed, Uncertain
from askonce.calls.transcription import TRANSCRIPTION
from askonce.core.entry import JSON, Usage
from askonce.core.errors import RequestError
from askonce.core.key import canonical
from askonce.core.sse import SseParser
from tests.calls.answers import extras, prose, quick, score_lists, sse
from tests.calls.chunks import ROOM

TEXT = "text/plain"
FORM = {"model": "gpt-4o-transcribe", "file": "0" * 64}
USAGE = {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59}


def form(**fields):
    return {**FORM, **fields}


def test_a_form_is_checked():
    TRANSCRIPTION.check(form())
    for change, param in (({"model": ""}, "model"), ({"file": None}, "file")):
        with pytest.raises(RequestError) as caught:
            TRANSCRIPTION.check(form(**change))
        assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [("true", True), ("True", True), ("1", True), ("false", False), ("", False), (["true"], False)],
)
def test_streamed(stream, expected):
    assert TRANSCRIPTION.streamed(form(stream=stream)) is expected
    assert not TRANSCRIPTION.streamed(form())


def keys(**fields):
    [part] = TRANSCRIPTION.parts(form(**fields))
    return canonical(part)


def test_streamed_and_plain_json_share_an_entry():
    assert keys() == keys(stream="true") == keys(stream="false")
    assert keys(response_format="json") == keys(response_format="json", stream="true")


@pytest.mark.parametrize("kind", ["text", "srt", "vtt", "verbose_json", "diarized_json"])
def test_a_stream_shares_no_entry_with_another_format(kind):
    assert keys(response_format=kind) != keys(response_format=kind, stream="true")


def test_the_file_and_every_field_are_in_the_key():
    both = {"timestamp_granularities[]": ["word", "segment"]}
    assert len({keys(), keys(file="1" * 64), keys(language="en"), keys(**both), keys(temperature="0")}) == 5


SRT = b"1\n00:00:00,000 --> 00:00:01,000\nHello\n\n"


@pytest.mark.parametrize(
    ("kind", "payload", "media_type", "usage"),
    [
        (None, b'{"text": "Hello"}', JSON, Usage()),
        ("json", orjson.dumps({"text": "Hello", "usage": USAGE}), JSON, Usage(14, 45)),
        ("json", b'{"text":"Hello","usage":{"type":"duration","seconds":3}}', JSON, Usage()),
        ("verbose_json", b'{"task":"transcribe","text":"Hello","segments":[{"id":0}]}', JSON, Usage()),
        ("diarized_json", b'{"text":"Hello","segments":[]}', JSON, Usage()),
        ("text", b"Hello\n", TEXT, Usage()),
        ("srt", SRT, TEXT, Usage()),
        ("srt", SRT, "application/x-subrip", Usage()),
        ("vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n", "text/vtt", Usage()),
        ("text", b'{"text": "Hello"}', JSON, Usage()),
    ],
)
def test_every_format_is_kept_to_the_byte(kind, payload, media_type, usage):
    asked = form() if kind is None else form(response_format=kind)
    kept = TRANSCRIPTION.answers(asked, payload, media_type)
    assert kept == [Answer(payload, media_type, usage)]
    assert TRANSCRIPTION.combine(asked, kept) == (payload, media_type)


@pytest.mark.parametrize(
    ("kind", "payload", "media_type"),
    [
        ("json", b'{"text": ""}', JSON),
        ("text", b" \n", TEXT),
        ("srt", b"", TEXT),
        ("vtt", b"WEBVTT\n\n", TEXT),
    ],
)
def test_silence_is_nothing_to_keep(kind, payload, media_type):
    assert TRANSCRIPTION.answers(form(response_format=kind), payload, media_type) == []


@pytest.mark.parametrize(
    ("kind", "payload", "media_type"),
    [
        ("json", b"Hello", TEXT),
        ("json", b'{"text": null}', JSON),
        ("json", b"[]", JSON),
        ("verbose_json", b"{}", JSON),
        ("text", b'{"error": {"message": "no"}}', JSON),
    ],
)
def test_malformed(kind, payload, media_type):
    with pytest.raises(Malformed):
        TRANSCRIPTION.answers(form(response_format=kind), payload, media_type)


answers = st.builds(
    lambda extra, one: {**extra, **one},
    extras,
    st.fixed_dictionaries({"text": prose.filter(bool)}, optional={"logprobs": score_lists, "usage": st.just(USAGE)}),
)


@quick
@given(answers)
def test_an_answer_survives_its_own_frames(answer):
    kept = Answer(orjson.dumps(answer), JSON, Usage(14, 45) if "usage" in answer else Usage())
    stream = TRANSCRIPTION.frames(kept, form(stream="true"))
    assert TRANSCRIPTION.complete(stream)
    again = TRANSCRIPTION.assemble(stream, ROOM)
    assert orjson.loads(again.payload) == answer
    assert (again.media_type, again.usage) == (JSON, kept.usage)


@quick
@given(answers, st.data())
def test_a_cut_stream_is_not_complete(answer, data):
    stream = TRANSCRIPTION.frames(Answer(orjson.dumps(answer), JSON, Usage()), form())
    assert not TRANSCRIPTION.complete(stream[: data.draw(st.integers(0, len(stream) - 1))])


def delta(text, **members):
    return {"type": "transcript.text.delta", "delta": text, **members}


def ended(text, **members):
    return {"type": "transcript.text.done", "text": text, **members}


def test_a_stream_as_openai_sends_it():
    scores = [{"token": "Hel", "logprob": -0.1, "bytes": [72]}, {"token": "lo", "logprob": -0.2, "bytes": [108]}]
    stream = sse(
        delta("Hel", logprobs=scores[:1]),
        delta("lo", logprobs=scores[1:]),
        ended("Hello", logprobs=scores, usage=USAGE),
        done=False,
    )
    for whole in (stream, stream + b"data: [DONE]\n\n", stream.replace(b"\n", b"\r\n"), b": ping\n\n" + stream):
        assert TRANSCRIPTION.complete(whole)
        answer = TRANSCRIPTION.assemble(whole, ROOM)
        assert orjson.loads(answer.payload) == {"text": "Hello", "logprobs": scores, "usage": USAGE}
        assert answer.usage == Usage(14, 45)
    assert TRANSCRIPTION.terminal in stream


@pytest.mark.parametrize(
    "events",
    [
        [{"type": "transcript.text.segment", "id": "s", "text": "Hi", "speaker": "A"}, ended("Hi")],
        [delta("Hi", segment_id="s"), ended("Hi")],
        [{"type": "unheard.of"}, ended("Hi")],
        [ended("Hi"), ended("Hi")],
    ],
)
def test_what_the_end_does_not_repeat_is_uncertain(events):
    with pytest.raises(Uncertain):
        TRANSCRIPTION.assemble(sse(*events, done=False), ROOM)


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        sse(delta("Hi"), done=False),
        sse(delta("Hi")),
        sse(ended("Hi"), delta("more"), done=False),
        sse(ended("Hi"), {"error": {"message": "no"}}, done=False),
        sse(delta("Hi"), done=False) + b"data: not json\n\n",
        sse({"object": "transcription.chunk", "choices": []}),
    ],
)
def test_a_stream_without_its_end_is_not_complete(stream):
    assert not TRANSCRIPTION.complete(stream)
    with pytest.raises(Malformed):
        TRANSCRIPTION.assemble(stream, ROOM)


def test_an_end_without_text_is_malformed_and_an_empty_one_is_nothing():
    with pytest.raises(Malformed):
        TRANSCRIPTION.assemble(sse({"type": "transcript.text.done"}, done=False), ROOM)
    assert TRANSCRIPTION.assemble(sse(ended(""), done=False), ROOM) is None


def test_frames_are_events_as_openais_library_knows_them():
    payload = orjson.dumps({"text": "Hello", "usage": USAGE})
    first, last = SseParser().feed(TRANSCRIPTION.frames(Answer(payload, JSON, Usage(14, 45)), form()))
    assert TranscriptionTextDeltaEvent.model_validate_json(first.data, strict=True).delta == "Hello"
    read = TranscriptionTextDoneEvent.model_validate_json(last.data, strict=True)
    assert (read.text, read.usage.output_tokens) == ("Hello", 45)


def test_plain_text_is_streamed_as_text():
    first, last = SseParser().feed(TRANSCRIPTION.frames(Answer(b"Hello\n", TEXT, Usage()), form()))
    assert orjson.loads(first.data) == delta("Hello\n")
    assert orjson.loads(last.data) == ended("Hello\n")


def test_a_form_has_no_usage_to_ask_for():
    asked = form(stream="true")
    assert TRANSCRIPTION.with_usage(asked) is asked
    assert TRANSCRIPTION.narrow(asked, [0]) is asked
    assert not TRANSCRIPTION.only_usage(orjson.dumps(ended("Hi")))


def test_a_format_said_twice_is_refused():
    with pytest.raises(RequestError) as refused:
        TRANSCRIPTION.check({"model": "m", "file": "0" * 64, "response_format": ["text", "text"]})
    assert (refused.value.status, refused.value.param) == (400, "response_format")


def test_what_a_client_calls_streamed_makes_no_two_questions_one():
    asked = {"model": "m", "file": "0" * 64, "response_format": "text"}
    bodies = [asked, {**asked, "stream": "true"}, {**asked, "streamed": "true"}, {**asked, "streamed": True}]
    assert len({canonical(part) for body in bodies for part in TRANSCRIPTION.parts(body)}) == len(bodies)


def test_a_member_of_the_answer_does_not_take_the_place_of_the_events_type():
    kept = Answer(b'{"text":"said","type":"speech"}', JSON, Usage())
    events = [orjson.loads(event.data) for event in SseParser().feed(TRANSCRIPTION.frames(kept, {}))]
    assert [event["type"] for event in events] == ["transcript.text.delta", "transcript.text.done"]
