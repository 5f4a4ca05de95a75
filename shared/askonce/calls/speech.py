"""Speech: a text goes up, sound comes down, as bytes or, where the request says so, as a stream of events.

Sources: OpenAI's API reference, "Create speech" and its stream events; the members that hold sound in JSON are those of
Google, MiniMax and ElevenLabs, which servers with this route pass on.
"""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from askonce.calls.checks import check_model
from askonce.calls.endpoint import Answer, Body, Malformed, usual
from askonce.calls.events import well_formed, whole
from askonce.calls.parsing import read_object, tokens
from askonce.calls.usual import UsualEndpoint, marked
from askonce.core.entry import JSON, SSE, Usage
from askonce.core.errors import bad_request
from askonce.core.sse import ServerSentEvent

_DELTA: Final = "speech.audio.delta"
_ENDED: Final = "speech.audio.done"
_ERROR: Final = "error"
_SOUND: Final = ("audio/", "video/")  # the latter is what a file's name says of MP4, Ogg and WebM
_SOUND_TOO: Final = frozenset({"application/octet-stream", "binary/octet-stream", "application/ogg"})
_IN_JSON: Final = ("audio", "audioContent", "audio_base64")


@dataclass(frozen=True, slots=True)
class Speech(UsualEndpoint):
    name: str = "speech"
    path: str = "/audio/speech"
    paths: tuple[str, ...] = usual("/audio/speech")
    terminal: bytes = _ENDED.encode()

    def check(self, body: Body) -> None:
        check_model(body)
        said = body.get("input")
        if not isinstance(said, str) or not said:
            raise bad_request("input must be the text that is to be spoken", "input")

    def streamed(self, body: Body) -> bool:
        return body.get("stream_format") == "sse"

    def parts(self, body: Body) -> list[Body]:
        """`stream` is no member of OpenAI's: to some servers it means sound whose head says no length, to others
        events. So it is in the key here, under another name than the one that keys leave out.
        """
        return [marked(body, body.get("stream"))]

    def answers(self, body: Body, payload: bytes, media_type: str) -> list[Answer]:
        """Kept to the byte, with the type that it came with."""
        if self.streamed(body):
            raise Malformed("no events, which were asked for")
        if media_type == JSON:
            return [Answer(payload, JSON, _tokens(_sound_in_json(payload)))]
        if not media_type.startswith(_SOUND) and media_type not in _SOUND_TOO:
            raise Malformed("neither sound nor JSON")
        if _is_json(payload):
            raise Malformed("JSON that calls itself sound")
        return [Answer(payload, media_type, Usage())] if payload else []

    def assemble(self, stream: bytes, room: int) -> Answer | None:
        """The stream itself: what is asked as events is never answered as bytes."""
        events = _read(stream)
        if not any(event.get("type") == _DELTA and event.get("audio") for event in events):
            return None
        return Answer(stream, SSE, _tokens(events[-1]))

    def complete(self, stream: bytes) -> bool:
        return well_formed(stream, _read)

    def frames(self, kept: Answer, body: Body) -> bytes:
        return kept.payload


def _tokens(answer: Body) -> Usage:
    return tokens(answer.get("usage"), "input_tokens", "output_tokens")


def _sound_in_json(payload: bytes) -> Body:
    """JSON that holds sound. All other JSON is an error in somebody's own words, or an address that will be gone."""
    answer = read_object(payload)
    if not any(_is_sound(place.get(name)) for place in _places(answer) for name in _IN_JSON):
        raise Malformed("JSON without sound")
    return answer


def _places(answer: Body) -> list[Body]:
    within = answer.get("data")
    return [answer, within] if isinstance(within, dict) else [answer]


def _is_sound(member: Any) -> bool:
    return isinstance(member, str) and member != "" and not member.startswith(("http:", "https:"))


def _is_json(payload: bytes) -> bool:
    """Servers that begin to answer before they have begun to speak send their errors under the type of the sound."""
    if not payload.lstrip().startswith(b"{"):
        return False
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return False
    return True


def _read(stream: bytes) -> list[Body]:
    return whole(stream, _ENDED, _event)


def _event(event: ServerSentEvent) -> Body:
    """Raises Malformed for one that is an error, by its name or by its type."""
    read = None if event.event == _ERROR.encode() else read_object(event.data)
    if read is None or read.get("type") == _ERROR:
        raise Malformed("an error event")
    return read


SPEECH: Final = Speech()
