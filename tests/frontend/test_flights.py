"""An answer is kept before whoever reads it has the last of it: he may ask again at once, and anywhere."""

from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from askonce.calls.endpoint import Endpoint
from askonce.calls.speech import SPEECH
from askonce.calls.transcription import TRANSCRIPTION
from askonce.config.settings import ProxySettings
from askonce.frontend.flights import Flights
from askonce.frontend.question import Question
from askonce.frontend.upstream import Upstream
from askonce.telemetry.logs import Log
from tests.frontend.books import accounts
from tests.frontend.groups import router
from tests.frontend.kit import RULES, ask, deployment, place
from tests.frontend.stage import Scene, opened

LONG = 100_000  # bytes: what is so long is judged beside the loop, which goes on with the readers meanwhile
SOUND = bytes(range(250)) * (LONG // 250)
EVENTS = b'data: {"type":"speech.audio.delta","audio":"%s"}\n\n' % (b"A" * LONG)
END = b'data: {"type":"speech.audio.done"}\n\n'
TEXT = b"said\n" * (LONG // 5)
SPOKEN = {"model": "m", "input": "a"}


def question(base: str, endpoint: Endpoint, **more: str) -> Question:
    there = deployment("m", "m", api_key="sk-own").model_copy(update={"api_base": base})
    rules = replace(RULES, call_types=RULES.call_types | {endpoint.name})
    return place(ask({**SPOKEN, **more}, endpoint=endpoint), there, rules=rules)


def flights(scene: Scene, upstream: Upstream) -> Flights:
    return Flights(
        upstream=upstream,
        router=router(metrics=scene.here.metrics, clock=scene.clock),
        keeper=scene.here.keeper,
        accounts=accounts(scene.here.metrics),
        rules=RULES,
        metrics=scene.here.metrics,
        log=Log("test"),
        clock=scene.clock,
    )


@pytest.mark.parametrize(
    ("endpoint", "more", "answer", "media_type"),
    [
        (SPEECH, {}, SOUND, "audio/mpeg"),
        (SPEECH, {"stream_format": "sse"}, EVENTS + END, "text/event-stream"),
        (TRANSCRIPTION, {"file": "0" * 64, "response_format": "text"}, TEXT, "text/plain"),
    ],
    ids=["by its length", "by the last event", "by its length, as text"],
)
async def test_an_answer_is_kept_before_its_end_is_passed_on(
    endpoint: Endpoint, more: dict[str, str], answer: bytes, media_type: str
) -> None:
    async def say(_request: web.Request) -> web.Response:
        return web.Response(body=answer, content_type=media_type)

    application = web.Application()
    application.router.add_post(endpoint.path, say)
    async with opened() as scene, TestServer(application) as server, AsyncExitStack() as stack:
        upstream = Upstream(ProxySettings(), "test")
        stack.push_async_callback(upstream.close)
        asked = question(str(server.make_url("")).rstrip("/"), endpoint, **more)
        flight, joined = flights(scene, upstream).join_or_start(asked, [0])
        assert not joined
        reading, got = flight.recording.join(), b""
        async for chunk in reading.chunks():
            got += chunk
            if len(got) == len(answer):
                assert scene.here.holds(asked) is not None
                assert (flight.shown, flight.skipped) == (True, None)
        assert got == answer
        reading.leave()
