"""One request as it was put: read, checked, and taken apart, before anything is looked up."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

import orjson
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import MultiMapping

from askonce.calls.endpoint import Body, Endpoint
from askonce.core.control import CacheControl
from askonce.core.errors import RequestError, bad_request
from askonce.frontend.access.caller import Caller
from askonce.frontend.auth import KEY_HEADERS
from askonce.frontend.instead import read_instead

# These name an account at the provider, and go only where the client's own credential goes.
WITH_CREDENTIAL: Final = ("OpenAI-Organization", "OpenAI-Project")
_UNREADABLE: Final = (web.HTTPRequestEntityTooLarge, web.RequestPayloadError, ConnectionError)
# What aiohttp's parser of forms raises for a wrong boundary, charset, coding or head of a part.
_BROKEN_FORM: Final = (ValueError, LookupError, RuntimeError, AssertionError, HttpProcessingError)
BODY_SECONDS: Final = 300.0  # for a whole request: who sends a byte a minute holds a connection for ever
_DEEPEST: Final = 254  # levels that orjson writes; it reads more
# What the routes' `headers` name. They are lists (RFC 9110 5.3): several lines of a name are one.
_LISTS: Final = ("OpenAI-Beta", "anthropic-version", "anthropic-beta")
RETRIES: Final = "x-litellm-num-retries"  # how often a question is tried again: part of no key
_SINGLE: Final = ("Authorization", *KEY_HEADERS, *WITH_CREDENTIAL, RETRIES)
HEARD: Final = (*_SINGLE, *_LISTS)


@dataclass(frozen=True, slots=True)
class Upload:
    """The file of a form. Its bytes are in the key; its name and type only travel."""

    data: bytes
    filename: str
    content_type: str


class Ask(NamedTuple):
    """`body` is what the client sent, less the `cache` object and what it says of fallbacks, which is `instead`: see
    `read_instead`. `headers` are those of HEARD that came.
    """

    endpoint: Endpoint
    body: Body
    model: str
    streamed: bool
    control: CacheControl
    headers: Mapping[str, str]
    upload: Upload | None
    instead: tuple[Body, ...] | None = None


def spoken(headers: MultiMapping[str]) -> tuple[str | None, ...]:
    """The headers that mean something here: those of HEARD, then every line of Cache-Control, which is a list (RFC 9110
    5.3). Nothing else of a request's head is ever looked at.
    """
    return (
        *map(headers.get, _SINGLE),
        *(", ".join(headers.getall(name)) if name in headers else None for name in _LISTS),
        *headers.getall(hdrs.CACHE_CONTROL, ()),
    )


async def read_body(request: web.BaseRequest) -> bytes:
    """Raises RequestError: 413 above the limit, 400 for a body that broke off or is not coded as its head says."""
    await go_on(request)
    try:
        if request.content.is_eof():  # as nearly always: it came with the head
            return await request.read()
        async with asyncio.timeout(BODY_SECONDS):
            return await _read_on(request)
    except TimeoutError:
        raise RequestError(408, f"The body did not arrive within {BODY_SECONDS:.0f} s.", param="body") from None
    except _UNREADABLE as error:
        raise _unreadable(request, error) from None


async def _read_on(request: web.BaseRequest) -> bytes:
    """In the pieces that come: `request.read` would unpack a packed body in pieces as large as the limit."""
    body = bytearray()
    while piece := await request.content.readany():
        body += piece
        if len(body) > request.client_max_size:
            raise web.HTTPRequestEntityTooLarge(request.client_max_size, len(body))
    return bytes(body)


async def read_ask(
    request: web.BaseRequest, endpoint: Endpoint, data: bytes | None, named: str | None, caller: Caller
) -> Ask:
    """From the JSON of `data`, or, for a route that takes forms, from the request itself. `named` is the model that
    the address names, where it does: it counts before the body's.

    Raises RequestError (400), naming the field.
    """
    heard = _heard(request.headers)
    upload = None
    if data is None:
        body, upload = await _read_form(request)
    else:
        body = read_json(data)
    control = caller.controls(body.pop("cache", None), ", ".join(request.headers.getall(hdrs.CACHE_CONTROL, ())))
    if named is not None:
        body["model"] = named
    instead = read_instead(body)
    endpoint.check(body)
    return Ask(endpoint, body, body["model"], endpoint.streamed(body), control, heard, upload, instead)


def read_json(data: bytes) -> dict[str, Any]:
    """Raises RequestError (400) when it is not one JSON object. The message tells where, and quotes nothing."""
    try:
        body = orjson.loads(data)
        if data.count(b"{") + data.count(b"[") > _DEEPEST:
            orjson.dumps(body)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise bad_request(f"The body is not JSON: {error.msg.split(':')[0]} at {where}.", "body") from None
    except TypeError:
        raise bad_request(f"The body is nested deeper than {_DEEPEST} levels.", "body") from None
    if not isinstance(body, dict):
        raise bad_request("The body must be a JSON object.", "body")
    return body


async def _receive_form(request: web.BaseRequest) -> MultiMapping[Any]:
    if request.content_type != "multipart/form-data":
        raise bad_request("This route takes multipart/form-data.", "file")
    await go_on(request)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.post()
    except TimeoutError:
        raise RequestError(408, f"The body did not arrive within {BODY_SECONDS:.0f} s.", param="body") from None
    except _UNREADABLE as error:
        raise _unreadable(request, error) from None
    except _BROKEN_FORM:
        raise bad_request("The body is not the multipart/form-data that its header says.", "body") from None


async def _read_form(request: web.BaseRequest) -> tuple[Body, Upload]:
    form = await _receive_form(request)
    body: Body = {}
    controls: dict[str, Any] = {}
    upload: Upload | None = None
    for name in dict.fromkeys(form):
        values = form.getall(name)
        first = values[0]
        if isinstance(first, web.FileField):
            if name == "file":
                upload = Upload(first.file.read(), _passable(first.filename), _passable(first.content_type))
                body["file"] = sha256(upload.data).hexdigest()
        elif name.startswith("cache[") and name.endswith("]"):
            controls[name[6:-1]] = _control(name[6:-1], _text(first))
        else:
            texts = [_text(value) for value in values]
            body[name] = texts if name.endswith("[]") or len(texts) > 1 else texts[0]
    if upload is None:
        raise bad_request("A file is needed.", "file")
    if "cache" in body:
        body["cache"] = _control("", str(body["cache"]))
    elif controls:
        body["cache"] = controls  # how the OpenAI SDKs write an object of `extra_body` into a form
    return body, upload


async def go_on(request: web.BaseRequest) -> None:
    """Tells a client that waits to be told (`Expect: 100-continue`, RFC 9110 10.1.1) that its body is wanted."""
    if not request.content.is_eof() and request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun


def _unreadable(request: web.BaseRequest, error: Exception) -> RequestError:
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        limit = request.client_max_size
        return RequestError(413, f"The request's body is larger than {limit} bytes.", param="body")
    return bad_request("The request's body broke off, or is not coded as its head says.", "body")


def _heard(headers: MultiMapping[str]) -> dict[str, str]:
    heard = {name: headers[name] for name in _SINGLE if name in headers}
    heard |= {name: ", ".join(headers.getall(name)) for name in _LISTS if name in headers}
    for name, value in heard.items():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise bad_request(f"The header {name} is not text.", name) from None
    return heard


def _text(value: object) -> str:
    """A field of a form: one that has a content type of its own comes as bytes. Raises RequestError (400)."""
    if not isinstance(value, bytes | bytearray):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise bad_request("The fields of the form must be text.", "body") from None


def _passable(text: str) -> str:
    """Text from the head of a part, where a byte that is no UTF-8 is read as a lone surrogate."""
    return text.encode(errors="replace").decode()


def _control(name: str, text: str) -> object:
    """`true`, `60` as the values that they spell; any other text, and every namespace, is itself."""
    if name == "namespace":
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
