"""Answers of `/v1/audio/transcriptions` in the shapes of OpenAI's API reference. Pure: the file is only hashed."""

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import orjson

from askonce.core.errors import bad_request
from askonce.toy.words import pieces

FORMATS: Final = ("json", "text", "srt", "verbose_json", "vtt")
_SECONDS_PER_WORD: Final = 0.25
_WORDS_PER_SEGMENT: Final = 12
_JSON: Final = "application/json"


def check(form: dict[str, str], file: bytes | None) -> None:
    """Raises RequestError (400), naming the field."""
    if file is None:
        raise bad_request("Missing required parameter: 'file'.", "file")
    if not file:
        raise bad_request("Audio file might be corrupted or unsupported", "file", "invalid_value")
    if form.get("response_format", "json") not in FORMATS:
        raise bad_request(f"Invalid 'response_format': expected one of {', '.join(FORMATS)}.", "response_format")


def heard(form: dict[str, str], file: bytes) -> list[str]:
    """The words of a file, the same for the same bytes, language and prompt."""
    name = f"recording {hashlib.sha256(file).hexdigest()[:8]}"
    return pieces(name, form.get("language"), form.get("prompt"))


def streamed(form: dict[str, str]) -> bool:
    """whisper-1 does not stream: OpenAI ignores the wish there."""
    return form.get("stream", "").lower() in {"true", "1"} and form["model"] != "whisper-1"


def transcript(form: dict[str, str], file: bytes, words: list[str]) -> tuple[bytes, str]:
    """The whole answer and its content type."""
    text = "".join(words)
    match form.get("response_format", "json"):
        case "text":
            return f"{text}\n".encode(), "text/plain; charset=utf-8"
        case "srt":
            cues = (f"{cue['id'] + 1}\n{_span(cue, ',')}\n{cue['text']}\n" for cue in _segments(words))
            return "\n".join(cues).encode(), "text/plain; charset=utf-8"
        case "vtt":
            cues = (f"{_span(cue, '.')}\n{cue['text']}\n" for cue in _segments(words))
            return "\n".join(("WEBVTT\n", *cues)).encode(), "text/plain; charset=utf-8"
        case "verbose_json":
            seconds = len(words) * _SECONDS_PER_WORD
            spoken = {"task": "transcribe", "language": form.get("language", "english"), "duration": seconds}
            usage = {"type": "duration", "seconds": round(seconds)}
            return orjson.dumps({**spoken, "text": text, "segments": _segments(words), "usage": usage}), _JSON
        case _:
            return orjson.dumps({"text": text, "usage": _usage(file, words)}), _JSON


def events(file: bytes, words: list[str]) -> Iterator[dict[str, Any]]:
    for word in words:
        yield {"type": "transcript.text.delta", "delta": word}
    yield {"type": "transcript.text.done", "text": "".join(words), "usage": _usage(file, words)}


def _usage(file: bytes, words: list[str]) -> dict[str, Any]:
    audio = len(file) // 1024 + 1
    return {
        "type": "tokens",
        "input_tokens": audio,
        "input_token_details": {"text_tokens": 0, "audio_tokens": audio},
        "output_tokens": len(words),
        "total_tokens": audio + len(words),
    }


def _segments(words: list[str]) -> list[dict[str, Any]]:
    starts = range(0, len(words), _WORDS_PER_SEGMENT)
    return [
        {
            "id": number,
            "seek": 0,
            "start": at * _SECONDS_PER_WORD,
            "end": min(at + _WORDS_PER_SEGMENT, len(words)) * _SECONDS_PER_WORD,
            "text": "".join(words[at : at + _WORDS_PER_SEGMENT]).strip(),
            "tokens": list(range(at, min(at + _WORDS_PER_SEGMENT, len(words)))),
            "temperature": 0.0,
            "avg_logprob": -0.25,
            "compression_ratio": 1.25,
            "no_speech_prob": 0.0,
        }
        for number, at in enumerate(starts)
    ]


def _span(cue: dict[str, Any], point: str) -> str:
    return f"{_clock(cue['start'], point)} --> {_clock(cue['end'], point)}"


def _clock(seconds: float, point: str) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{thousandths:03}"
