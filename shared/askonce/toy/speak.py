"""Answers of `/v1/audio/speech` in the shapes of OpenAI's API reference. Pure: every word is one short tone.

A WAV file is one; the other formats are text under the type of the sound that was asked for.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from math import pi, sin
from struct import pack
from typing import Final

import orjson

from askonce.core.errors import bad_request
from askonce.core.sse import frame
from askonce.toy import scripts
from askonce.toy.chat import Stamp
from askonce.toy.kinds import Kind, Said
from askonce.toy.words import shortened, tokens

TYPES: Final = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_SSE: Final = "text/event-stream; charset=utf-8"
_LONGEST: Final = 4096  # characters, as OpenAI's
_SLOWEST, _FASTEST = 0.25, 4.0
_RATE: Final = 8000  # samples a second, of 16 bits each, one channel
_SECONDS_PER_WORD: Final = 0.02
_LOWEST, _STEP = 220, 10  # Hz
_LOUDEST: Final = 8000  # of 32767
_DELTA: Final = 1024  # bytes of sound in one event
_HUGE: Final = (2 << 20) + 1  # bytes


def _check(body: Said) -> None:
    said, speed = body.get("input"), body.get("speed")
    if not isinstance(said, str) or not 0 < len(said) <= _LONGEST:
        raise bad_request(f"Invalid 'input': expected a string of 1 to {_LONGEST} characters.", "input")
    if not isinstance(body.get("voice"), str | dict):
        raise bad_request("Missing required parameter: 'voice'.", "voice")
    if body.get("response_format", "mp3") not in TYPES:
        raise bad_request(f"Invalid 'response_format': expected one of {', '.join(TYPES)}.", "response_format")
    if speed is not None and not (isinstance(speed, int | float) and _SLOWEST <= speed <= _FASTEST):
        raise bad_request(f"Invalid 'speed': expected a number from {_SLOWEST} to {_FASTEST}.", "speed")
    if body.get("stream_format", "audio") not in {"audio", "sse"}:
        raise bad_request("Invalid 'stream_format': expected 'audio' or 'sse'.", "stream_format")


def _answer(body: Said, stamp: Stamp) -> tuple[bytes, str]:
    sound = _sound(body, stamp.model)
    if body.get("stream_format") == "sse":
        return b"".join(scripts.frames(stamp.model, list(_events(body, sound)))), _SSE
    return sound, TYPES[body.get("response_format", "mp3")]


def _sound(body: Said, model: str) -> bytes:
    if model in {scripts.EMPTY, scripts.HUGE}:
        return b"\0" * (_HUGE if model == scripts.HUGE else 0)
    form = body.get("response_format", "mp3")
    if form in {"wav", "pcm"}:
        samples = _samples(body)
        return samples if form == "pcm" else _wav_head(len(samples)) + samples
    voice, speed = orjson.dumps(body["voice"]).decode(), body.get("speed", 1)
    return f"toy {form} by {voice} at {speed}: {shortened(body['input'])} {_dice(body, 8).hex()}".encode()


def _events(body: Said, sound: bytes) -> Iterator[bytes]:
    for at in range(0, len(sound), _DELTA):
        piece = b64encode(sound[at : at + _DELTA]).decode()
        yield frame(orjson.dumps({"type": "speech.audio.delta", "audio": piece}))
    asked, said = tokens(body["input"]), len(sound) // _DELTA
    usage = {"input_tokens": asked, "output_tokens": said, "total_tokens": asked + said}
    yield frame(orjson.dumps({"type": "speech.audio.done", "usage": usage}))


def _samples(body: Said) -> bytes:
    length = round(_RATE * _SECONDS_PER_WORD / (body.get("speed") or 1))
    pitches = [_LOWEST + _STEP * (byte % 64) for byte in _dice(body, tokens(body["input"]))]
    samples = [round(_LOUDEST * sin(2 * pi * pitch * at / _RATE)) for pitch in pitches for at in range(length)]
    return pack(f"<{len(samples)}h", *samples)


def _dice(body: Said, size: int) -> bytes:
    """Bytes that follow from all that is said about the sound."""
    said = orjson.dumps([body["input"], body["voice"], body.get("instructions"), body.get("speed")])
    return hashlib.shake_128(said).digest(size)


def _wav_head(size: int) -> bytes:
    """44 bytes, as of the RIFF specification: PCM, and `size` bytes of samples behind them."""
    return pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, _RATE, 2 * _RATE, 2, 16, b"data", size
    )


KIND: Final = Kind("/v1/audio/speech", "speech", _check, _answer)
