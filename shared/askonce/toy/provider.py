"""A model provider to play with: OpenAI's API as far as the OpenAI SDK needs it, with answers that follow from the
question. It serves `askonce demo` and the tests, and knows nothing of caches.

How to make it fail: `scripts`.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from askonce.core.errors import RequestError, bad_request
from askonce.core.sse import frame
from askonce.toy import chat, messages, rerank, responses, scripts, speak, speech, text
from askonce.toy.chat import Choice, Stamp
from askonce.toy.kinds import Kind

Body = dict[str, Any]

_MODELS: Final = ("toy", "toy-embedding", text.BY_WORDS, "toy-transcribe")
_LARGEST_REQUEST: Final = 64 << 20
_REMEMBERED: Final = 100
_LIMIT: Final = 10_000  # of requests, as the rate-limit headers say; nothing is limited
_JSON: Final = "application/json"
_FORM: Final = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came in: names of headers in small letters, the body of JSON requests only."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Route:
    """A route that says something: choices, as one answer or in chunks."""

    prefix: str
    check: Callable[[Body], None]
    choices: Callable[[Body], list[Choice]]
    answer: Callable[[Body, list[Choice], Stamp], Body]
    chunks: Callable[[Body, list[Choice], Stamp], Iterator[Body]]
    usage: Callable[[Body, list[Choice]], Body]


_ROUTES: Final = {
    "/v1/chat/completions": _Route("chatcmpl", chat.check, chat.choices, chat.answer, chat.chunks, chat.usage),
    "/v1/completions": _Route(
        "cmpl", text.check_completion, text.completions, text.completion, text.completion_chunks, text.completion_usage
    ),
}

_KINDS: Final[tuple[Kind, ...]] = (rerank.KIND, speak.KIND, responses.KIND, messages.KIND)


class Toy:
    """The provider. `latency` and `slow` are seconds before the first byte, the latter of the model `toy-slow`;
    `pace` is seconds from one chunk of a stream to the next. Without `api_key` it takes any credential, or none.

    `calls` counts the requests below `/v1` by path, failed ones included; `seen` holds the last hundred of them.
    """

    def __init__(
        self, *, latency: float, pace: float, clock: Callable[[], float], api_key: str | None = None, slow: float = 3.0
    ) -> None:
        self.calls: Counter[str] = Counter()
        self.seen: deque[Seen] = deque(maxlen=_REMEMBERED)
        self._latency, self._pace, self._slow = latency, pace, slow
        self._clock = clock
        self._api_key = api_key
        self._answers = self._flaky = 0

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=_LARGEST_REQUEST)
        app.on_response_prepare.append(self._sign)
        app.router.add_post("/v1/embeddings", self._embed)
        app.router.add_post("/v1/audio/transcriptions", self._transcribe)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/toy/calls", self._count)
        app.router.add_get("/health/readiness", _ready)
        for path in _ROUTES:
            app.router.add_post(path, self._talk)
        for kind in _KINDS:
            app.router.add_post(kind.path, partial(self._say, kind))
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Counts the request and gives every refusal the shape of OpenAI's errors."""
        try:
            if request.path.startswith("/v1/"):
                self.calls[request.path] += 1
                self.seen.append(await _seen(request))
                self._admit(request)
            return await handler(request)
        except RequestError as error:
            return _refusal(error)
        except web.HTTPException as error:
            what = f"{HTTPStatus(error.status).phrase}: {request.method} {request.path}"
            return _refusal(RequestError(error.status, what, code="unknown_url" if error.status == 404 else None))

    def _admit(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._api_key is not None and given != self._api_key:
            raise RequestError(401, "Incorrect API key provided.", "invalid_request_error", code="invalid_api_key")

    async def _sign(self, request: web.Request, response: web.StreamResponse) -> None:
        """The headers that belong to one answer of one provider, and to no copy of it."""
        if not request.path.startswith("/v1/"):
            return
        number = sum(self.calls.values())
        response.headers["x-request-id"] = f"req_{number:08x}"
        response.headers["openai-processing-ms"] = str(round(self._latency * 1000))
        response.headers["openai-version"] = "2020-10-01"
        response.headers["x-ratelimit-limit-requests"] = str(_LIMIT)
        response.headers["x-ratelimit-remaining-requests"] = str(max(0, _LIMIT - number))
        response.headers["x-ratelimit-reset-requests"] = "6ms"
        response.headers["Set-Cookie"] = f"__cf_bm=toy-{number}; path=/; HttpOnly"

    async def _talk(self, request: web.Request) -> web.StreamResponse:
        route = _ROUTES[request.path]
        body = await _json(request)
        route.check(body)
        model = str(body["model"])
        await self._think(model)
        said = scripts.choices(model, route.choices(body))
        stamp = self._stamp(route.prefix, model)
        if body.get("stream") is not True:
            answer = scripts.whole(model, orjson.dumps(route.answer(body, said, stamp)))
            return await self._whole(request, model, answer, _JSON)
        chunks = _with_usage(route, body, said, list(route.chunks(body, said, stamp)))
        return await self._stream(
            request, model, map(frame, scripts.events(model, [orjson.dumps(one) for one in chunks]))
        )

    async def _say(self, kind: Kind, request: web.Request) -> web.StreamResponse:
        body = await _json(request)
        kind.check(body)
        model = str(body["model"])
        await self._think(model)
        stamp = self._stamp(kind.prefix, model)
        if kind.events is None or body.get("stream") is not True:
            payload, content_type = kind.answer(body, stamp)
            return await self._whole(request, model, scripts.whole(model, payload), content_type)
        return await self._stream(request, model, scripts.frames(model, list(kind.events(body, stamp))))

    async def _embed(self, request: web.Request) -> web.StreamResponse:
        body = await _json(request)
        text.check_embeddings(body)
        model = str(body["model"])
        await self._think(model)
        answer = scripts.whole(model, orjson.dumps(text.embeddings(body)))
        return await self._whole(request, model, answer, _JSON)

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        form, file = await _form(request)
        model = _model(form)
        speech.check(form, file)
        await self._think(model)
        words = speech.heard(form, file or b"")
        if speech.streamed(form):
            events = [orjson.dumps(event) for event in speech.events(file or b"", words)]
            return await self._stream(request, model, map(frame, events))
        return await self._whole(request, model, *speech.transcript(form, file or b"", words))

    async def _models(self, _request: web.Request) -> web.Response:
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "askonce"} for name in _MODELS]
        return web.Response(body=orjson.dumps({"object": "list", "data": listed}), content_type=_JSON)

    async def _count(self, _request: web.Request) -> web.Response:
        counts = {"total": sum(self.calls.values()), "routes": dict(self.calls)}
        return web.Response(body=orjson.dumps(counts), content_type=_JSON)

    async def _think(self, model: str) -> None:
        await asyncio.sleep(self._slow if model == scripts.SLOW else self._latency)
        self._flaky += model == scripts.FLAKY
        failure = scripts.failure(model, self._flaky)
        if failure is not None:
            raise failure

    def _stamp(self, prefix: str, model: str) -> Stamp:
        self._answers += 1
        return Stamp(f"{prefix}-toy{self._answers:08x}", int(self._clock()), model)

    async def _whole(self, request: web.Request, model: str, answer: bytes, content_type: str) -> web.StreamResponse:
        headers = {"Content-Type": content_type}
        if model != scripts.BROKEN:
            return web.Response(body=answer, headers=headers)
        response = web.StreamResponse(headers={**headers, "Content-Length": str(len(answer))})
        await response.prepare(request)
        await response.write(answer[: len(answer) // 2])
        _hang_up(request)
        return response

    async def _stream(self, request: web.Request, model: str, events: Iterable[bytes]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        for event in events:
            await response.write(event)
            await asyncio.sleep(self._pace)
        if model == scripts.BROKEN:
            _hang_up(request)
        else:
            await response.write_eof()
        return response


@asynccontextmanager
async def serving(toy: Toy, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """The toy, listening; gives the base URL that a client of OpenAI's takes. Port 0 takes a free one."""
    runner = web.AppRunner(toy.app(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def _ready(_request: web.Request) -> web.Response:
    return web.Response(body=b'{"status":"healthy"}', content_type=_JSON)


def _with_usage(route: _Route, body: Body, said: list[Choice], chunks: list[Body]) -> list[Body]:
    """OpenAI announces the usage in every chunk, as null, and sends it in one more at the end."""
    wanted = (body.get("stream_options") or {}).get("include_usage") is True
    if not wanted or body["model"] == scripts.NO_USAGE or not chunks:
        return chunks
    final = {**chunks[-1], "choices": [], "usage": route.usage(body, said)}
    return [{**chunk, "usage": None} for chunk in chunks] + [final]


def _refusal(error: RequestError) -> web.Response:
    shape = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    headers = {"Retry-After": "7"} if error.status == HTTPStatus.TOO_MANY_REQUESTS else {}
    body = orjson.dumps({"error": shape})
    return web.Response(status=error.status, body=body, content_type=_JSON, headers=headers)


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _seen(request: web.Request) -> Seen:
    form = request.content_type == _FORM  # aiohttp cannot read a form after its bytes were read
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Seen(request.path, headers, b"" if form else await request.read())


def _model(body: Body | dict[str, str]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise bad_request("you must provide a model parameter", "model")
    return model


async def _json(request: web.Request) -> Body:
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        raise bad_request("We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise bad_request("The body of the request must be a JSON object.")
    _model(body)
    return body


async def _form(request: web.Request) -> tuple[dict[str, str], bytes | None]:
    """The fields of a multipart form, and the bytes of its file."""
    if request.content_type != _FORM:
        raise bad_request(f"The body of the request must be {_FORM}.")
    try:
        form = await request.post()
    except ValueError:
        raise bad_request("We could not parse the form in the body of your request.") from None
    fields, file = {}, None
    for name, value in form.items():
        if isinstance(value, str):
            fields[name] = value
        elif isinstance(value, web.FileField) and name == "file":
            file = value.file.read()
    return fields, file
