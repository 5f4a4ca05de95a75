"""Transcriptions: a form with a file goes up; JSON, plain text, subtitles or a stream of events come down.

The body is the form's text fields, repeated ones as lists, and `file`, the SHA-256 of the file's bytes in hex.
Source: OpenAI's API reference, "Create transcription" and its stream events.
"""

from dataclasses import dataclass
from typing import Final

import orjson

from askonce.calls.checks import check_model
from askonce.calls.endpoint import Answer, Body, Malformed, Uncertain, usual
from askonce.calls.events import as_it_is, well_formed, whole
from askonce.calls.parsing import read_object, tokens
from askonce.calls.usual import UsualEndpoint, marked
from askonce.core.entry import JSON, Usage
from askonce.core.errors import bad_request
from askonce.core.sse import frame

_DELTA: Final = "transcript.text.delta"
_ENDED: Final = "transcript.text.done"
_DELTA_MEMBERS: Final = frozenset({"type", "delta", "logprobs"})  # the end repeats them whole
_JSON_FORMATS: Final = frozenset({"json", "verbose_json", "diarized_json"})
_TEXTS: Final = frozenset({"text/plain", "text/vtt", "text/srt", "application/x-subrip"})
_NO_SUBTITLES: Final = (b"", b"WEBVTT")


@dataclass(frozen=True, slots=True)
class Transcription(UsualEndpoint):
    name: str = "transcription"
    path: str = "/audio/transcriptions"
    paths: tuple[str, ...] = usual("/audio/transcriptions")
    multipart: bool = True
    terminal: bytes = _ENDED.encode()

    def check(self, body: Body) -> None:
        check_model(body)
        if not isinstance(body.get("file"), str):
            raise bad_request("a file is needed", "file")
        if not isinstance(body.get("response_format", ""), str):
            raise bad_request("response_format must be said once", "response_format")

    def streamed(self, body: Body) -> bool:
        stream = body.get("stream")
        return isinstance(stream, str) and stream.lower() in {"true", "1"}

    def parts(self, body: Body) -> list[Body]:
        """A stream's events make up JSON, whatever the format: one asked in another format than plain JSON shares no
        entry with the plain answer in that format.
        """
        apart = self.streamed(body) and body.get("response_format", "json") != "json"
        return [marked(body, mark=True if apart else None)]

    def answers(self, body: Body, payload: bytes, media_type: str) -> list[Answer]:
        """Kept to the byte, with the type that it came with."""
        if media_type != JSON and body.get("response_format", "json") not in _JSON_FORMATS:
            if media_type not in _TEXTS:
                raise Malformed("neither JSON nor the text of a transcription")
            return [] if payload.strip() in _NO_SUBTITLES else [Answer(payload, media_type, Usage())]
        answer = read_object(payload)
        said = answer.get("text")
        if not isinstance(said, str):
            raise Malformed("a transcription without a text")
        return [Answer(payload, JSON, _tokens(answer))] if said else []

    def assemble(self, stream: bytes, room: int) -> Answer | None:
        """The last event holds all that the others told. Where an event tells more, as those of a transcription with
        speakers do, it is not certain what the plain answer would be.
        """
        events = _read(stream)
        for event in events[:-1]:
            if event.get("type") != _DELTA or not event.keys() <= _DELTA_MEMBERS:
                raise Uncertain("an event that the last one does not repeat")
        answer = {name: value for name, value in events[-1].items() if name != "type"}
        said = answer.get("text")
        if not isinstance(said, str):
            raise Malformed("an end without a text")
        return Answer(orjson.dumps(answer), JSON, _tokens(answer)) if said else None

    def complete(self, stream: bytes) -> bool:
        return well_formed(stream, _read)

    def frames(self, kept: Answer, body: Body) -> bytes:
        answer = (
            orjson.loads(kept.payload) if kept.media_type == JSON else {"text": kept.payload.decode(errors="replace")}
        )
        logprobs = {"logprobs": answer["logprobs"]} if "logprobs" in answer else {}
        delta = {"type": _DELTA, "delta": answer["text"], **logprobs}
        return frame(orjson.dumps(delta)) + frame(orjson.dumps({**answer, "type": _ENDED}))


def _tokens(answer: Body) -> Usage:
    return tokens(answer.get("usage"), "input_tokens", "output_tokens")


def _read(stream: bytes) -> list[Body]:
    return whole(stream, _ENDED, as_it_is)


TRANSCRIPTION: Final = Transcription()
