"""The body of a request that is passed on: held where it is JSON, and else on its way in pieces of the client's size.

Changed is the model's name, where the provider has another one for it, and what is said to this proxy alone. All else
goes on as the bytes that came, but for who may not ask every model: what a provider reads must be what was read here.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import orjson
from aiohttp import hdrs, web

from askonce.core.entry import JSON
from askonce.core.errors import RequestError, UpstreamUnavailable, bad_request
from askonce.frontend.ask import BODY_SECONDS, go_on, read_body, read_json
from askonce.frontend.forms import FirstFields, first_fields

IDLE_SECONDS: Final = 60.0  # that a client may send nothing while the provider waits, as nginx's client_body_timeout
DECODED: Final = frozenset({"gzip", "deflate", "br", "zstd"})  # what aiohttp unpacks of a request
# The second is what curl says of `-d`, whatever that is.
_HELD: Final = frozenset({"application/json", "application/x-www-form-urlencoded"})
_UNREADABLE: Final = (web.RequestPayloadError, ConnectionError)


class Held:
    """A body of JSON, or none at all. `length` is left to who sends it; `is_object` where it could be read. `strict`:
    it is an object, it is written anew, and every model that it names counts.

    Raises RequestError (400) for what is no such object.
    """

    length: int | None = None
    failed: RequestError | None = None

    def __init__(self, data: bytes | None, *, strict: bool = False) -> None:
        self.data = data
        self.strict = strict
        self._body = read_json(data or b"") if strict else _object(data)
        self.is_object = strict or bool(self._body)
        model = self._body.get("model")
        self.model = model if isinstance(model, str) and model else None
        self.models = _models(self._body) if strict else {self.model} if self.model else set()
        self._changed = strict
        if isinstance(self._body.get("cache"), dict):
            del self._body["cache"]
            self._changed = True

    def rename(self, asked: str | None, there: str, *, insist: bool) -> None:
        """For who asked for the model by another name than the provider's. `insist`: the body need not have said so.

        Raises RequestError (400) for what can be read and not written.
        """
        if self._body and asked is not None and (insist or self.model == asked) and self._body.get("model") != there:
            self._body["model"] = there
            self._changed = True
        if self._changed:
            try:
                self.data = orjson.dumps(self._body)
            except TypeError:
                raise bad_request("The body is nested too deeply.", "body") from None

    async def stop(self) -> None:
        """Nothing is on its way any more."""


class Flowing:
    """A body that is sent on while it arrives. `data` is read once. `failed` is why it ended before its end."""

    is_object = strict = False
    model: str | None = None
    failed: RequestError | None = None

    def __init__(self, request: web.BaseRequest, idle: float = IDLE_SECONDS) -> None:
        self._request = request
        self._idle = idle
        self._first = b""
        self._form: FirstFields | None = None
        self._begun = False
        self._reader: asyncio.Task[object] | None = None
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        decoded = request.headers.get(hdrs.CONTENT_ENCODING, "").lower() in DECODED
        self.length = None if decoded else request.content_length

    @property
    def data(self) -> "Flowing":
        return self

    @property
    def models(self) -> set[str]:
        return {self.model} if self.model else set()

    async def look(self) -> None:
        """Reads on until a form has told its model, or will not. Raises RequestError."""
        await go_on(self._request)
        form = first_fields(self._request.headers.get(hdrs.CONTENT_TYPE, ""))
        if form is None:
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while (chunk := await self._read()) and form.feed(chunk):
                    pass
        except TimeoutError:
            said = f"The first fields of the form did not arrive within {BODY_SECONDS:.0f} s."
            raise RequestError(408, said, param="body") from None
        self._form, self._first, self.model = form, bytes(form.head), form.model

    def rename(self, asked: str | None, there: str, *, insist: bool) -> None:  # noqa: ARG002 - a form without is one
        if self._form is None or asked is None or self.model != asked or asked == there:
            return
        renamed = self._form.renamed(there)
        if self.length is not None:
            self.length += len(renamed) - len(self._first)
        self._first = renamed

    def __aiter__(self) -> AsyncIterator[bytes]:
        if self._begun:  # aiohttp sends once more what met a connection that had just been closed
            raise UpstreamUnavailable("the connection broke while the request was being sent")
        return self._chunks()

    async def stop(self) -> None:
        """Returns when nobody reads from the client any more."""
        if self._reader is not None:
            self._reader.cancel()
        await self._at_rest.wait()

    async def _chunks(self) -> AsyncIterator[bytes]:
        self._begun = True
        if self._first:
            yield self._first
        while chunk := await self._read():
            yield chunk

    async def _read(self) -> bytes:
        """The next bytes, or none at the end. Raises RequestError, which `failed` repeats."""
        self._reader = asyncio.current_task()
        self._at_rest.clear()
        try:
            async with asyncio.timeout(self._idle):
                return await self._request.content.readany()
        except TimeoutError:
            said = f"Nothing of the body arrived for {self._idle:.0f} s."
            self.failed = RequestError(408, said, param="body")
            raise self.failed from None
        except _UNREADABLE:
            self.failed = bad_request("The request's body broke off, or is not coded as its head says.", "body")
            raise self.failed from None
        finally:
            self._reader = None
            self._at_rest.set()


Cargo = Held | Flowing


async def take(request: web.BaseRequest) -> Cargo:
    """What is to be passed on of a request's body. Raises RequestError: 413 for JSON above the limit, 400, 408."""
    if not request.body_exists:
        return Held(None)
    if request.content_type in _HELD or request.content_type.endswith("+json"):
        return Held(await read_body(request))
    flowing = Flowing(request)
    await flowing.look()
    return flowing


async def take_strictly(request: web.BaseRequest, *, form: bool) -> Cargo:
    """For who may not ask every model: an object of JSON, or nothing. `form`: the route's forms name no model, so that
    they may go on as they come.

    Raises RequestError: 403 for any other kind of body, 400 for what is no such object, and what `take` raises.
    """
    if not request.body_exists:
        return Held(None)
    if form and request.content_type == "multipart/form-data":
        return await take(request)
    if request.content_type != JSON:
        said = f"A key that is restricted to models may send only JSON here (Content-Type: {JSON})."
        raise RequestError(403, said, "key_model_access_denied", param="body", code="403")
    data = await read_body(request)
    return Held(data, strict=True) if data else Held(None)


def _models(body: dict[str, Any]) -> set[str]:
    """Whatever the body calls a model, at any depth: providers take them from objects within (`session.model`), and
    some read members whatever their case. Raises RequestError (400) for a model that is no name.
    """
    found: set[str] = set()
    left: list[Any] = [body]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            found |= {value for name, value in one.items() if name.lower() == "model" and isinstance(value, str)}
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
    if not isinstance(body.get("model"), str | None):
        raise bad_request("model must be a text.", "model")
    return found - {""}


def _object(data: bytes | None) -> dict[str, Any]:
    """What can be read of a body; nothing where it is no object: what is wrong with it is the provider's to say."""
    try:
        body = orjson.loads(data or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}
