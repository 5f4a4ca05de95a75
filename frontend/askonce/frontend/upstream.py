"""The way to the model provider. Speaks HTTP; knows nothing of caches.

aiohttp's exceptions end here: everything above sees UpstreamUnavailable and UpstreamTimeout.
"""

import math
import os
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import aiohttp
import orjson
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from askonce.calls.endpoint import Body
from askonce.config.settings import ProxySettings
from askonce.core.entry import MEDIA_TYPE
from askonce.core.errors import UpstreamTimeout, UpstreamUnavailable
from askonce.frontend.ask import RETRIES, WITH_CREDENTIAL, Ask
from askonce.frontend.auth import Credential
from askonce.frontend.deployments import Target
from askonce.frontend.dialects import Way, counts, way

# Hop-by-hop headers (RFC 9110 7.6.1), what we frame ourselves, and what speaks for another host or another cache.
_NOT_PASSED_ON: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "content-encoding",  # undone below, where a provider packs what was asked for unpacked
        "set-cookie",
        "alt-svc",
        "strict-transport-security",
        "age",
        "cache-status",
        "cache-control",
        "x-litellm-cache-key",
        "x-litellm-semantic-similarity",
        "date",
        "server",
    }
)

MOST_RETRIES: Final = 10  # that a client may ask for
_UNSENDABLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 5.5: no part of a header's value


def forwarded_headers(ask: Ask, *, own_credential: bool) -> dict[str, str]:
    """The client's headers that go upstream, names in lower case: part of the key."""
    names = ask.endpoint.headers + WITH_CREDENTIAL if own_credential else ask.endpoint.headers
    return {name.lower(): ask.headers[name] for name in names if name in ask.headers}


class UpstreamAnswer:
    """A provider's answer whose head has come."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        # RFC 9110 7.6.1: what Connection names is for this hop only
        named = ",".join(response.headers.getall(hdrs.CONNECTION, ())).lower()
        dropped = _NOT_PASSED_ON.union(name.strip() for name in named.split(","))
        found = ((name, value) for name, value in response.headers.items() if name.lower() not in dropped)
        self.headers = [(name, value) for name, value in found if not _UNSENDABLE.search(value)]
        self.media_type = _media_type(response)
        self.length = response.content_length if "Content-Encoding" not in response.headers else None
        self.framed = self.length is not None or hdrs.TRANSFER_ENCODING in response.headers
        self._first = b""

    async def begun(self) -> None:
        """Waits for the first bytes of the body, or for its end. Raises as `chunks` does."""
        with _translated():
            self._first = await self._response.content.readany()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises UpstreamUnavailable when it breaks off, UpstreamTimeout when it takes too
        long.
        """
        first, self._first = self._first, b""
        if first:
            yield first
        with _translated():
            async for chunk in self._response.content.iter_any():
                yield chunk


def _media_type(response: aiohttp.ClientResponse) -> str:
    """With its parameters where they say how sound is to be played."""
    said = response.content_type  # as aiohttp decodes it: a provider may have put anything into it
    whole = said + response.headers.get(hdrs.CONTENT_TYPE, said)[len(said) :]
    if said.startswith(("audio/", "video/")) and MEDIA_TYPE.fullmatch(whole):
        return whole
    return said if MEDIA_TYPE.fullmatch(said) else "application/octet-stream"


class Upstream:
    """One connection pool to all providers."""

    def __init__(self, settings: ProxySettings, version: str) -> None:
        self._total = settings.upstream_timeout
        self._connect = settings.upstream_connect_timeout
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ttl_dns_cache=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Asked without compression: what comes is passed on and kept as it is.
            headers={"User-Agent": f"askonce/{version}", "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        await self._session.close()

    @asynccontextmanager
    async def asking(
        self, ask: Ask, target: Target, body: Body, credential: Credential | None, *, within: float | None = None
    ) -> AsyncIterator[UpstreamAnswer]:
        """Asks, and gives the answer once its head has come, whatever its status.

        `credential` is the client's own, used only where the deployment has none. `within` is what is left, in seconds,
        of the time that the client gives, where some is gone. Raises UpstreamUnavailable or UpstreamTimeout.
        """
        there = way(target.deployment, target.model, ask.endpoint.path, credential)
        headers = _headers(ask, target, there, own_credential=credential is not None)
        data = _form(ask, target, body) if ask.upload else orjson.dumps(_asked(ask, target, body))
        patience = self._patience(ask, target, within)
        async with self.sending(hdrs.METH_POST, there.url, headers=headers, data=data, patience=patience) as answer:
            yield answer

    @asynccontextmanager
    async def sending(
        self,
        method: str,
        url: str | URL,
        *,
        headers: Mapping[str, str],
        data: "aiohttp.FormData | bytes | AsyncIterable[bytes] | None" = None,
        patience: aiohttp.ClientTimeout | None = None,
    ) -> AsyncIterator[UpstreamAnswer]:
        """Sends one request as it is given, and gives the answer once its head has come. The raised are as above."""
        with _translated():
            response = await self._session.request(
                method,
                url,
                data=data,
                headers=headers,
                timeout=patience or aiohttp.ClientTimeout(total=self._total, sock_connect=self._connect),
                allow_redirects=False,
            )
        try:
            if response.status < 200:
                raise UpstreamUnavailable(f"the provider answered with status {response.status}")
            yield UpstreamAnswer(response)
        finally:
            response.close() if not response.content.at_eof() else response.release()

    def _patience(self, ask: Ask, target: Target, within: float | None) -> aiohttp.ClientTimeout:
        """`timeout` bounds the whole answer, `stream_timeout` each wait of a stream: for its first chunk, and for the
        next. Where the latter is longer, it is what somebody wanted a stream to have.
        """
        deployment = target.deployment
        total = self._total if deployment.timeout is None else deployment.timeout
        wait = deployment.stream_timeout if ask.streamed else None
        total = total if wait is None else max(total, wait)
        asked = asked_patience(ask.body) if within is None else within
        total = total if asked is None else min(total, asked)
        return aiohttp.ClientTimeout(total=total, sock_connect=self._connect, sock_read=wait)


def asked_patience(body: Body) -> float | None:
    """The `timeout` of a body, in seconds, or of a form, where it is text; None where it is no time above zero."""
    said = body.get("timeout")
    try:
        seconds = 0.0 if isinstance(said, bool | None) else float(said)
    except (TypeError, ValueError):
        return None
    return seconds if 0 < seconds < math.inf else None


def asked_retries(ask: Ask) -> int | None:
    """The `num_retries` of a body, or else of the header, MOST_RETRIES at most; None where neither has a number."""
    said = ask.body.get("num_retries")
    said = ask.headers.get(RETRIES) if said is None else said
    try:
        number = None if isinstance(said, bool | None) else int(said)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if number is None else min(max(number, 0), MOST_RETRIES)


def _asked(ask: Ask, target: Target, body: Body) -> Body:
    """The body as the provider is to see it: the deployment's defaults below what the client says, its model name.

    A null says nothing, as in the key: it does not take a default away. The usage of a stream that only we want is not
    asked for where the provider would refuse the request for it.
    """
    deployment = target.deployment
    defaults = {name: value for name, value in deployment.defaults.items() if body.get(name) is None}
    asked = {**body, **defaults, "model": target.model}
    for ours in ("timeout", "num_retries"):
        asked.pop(ours, None)
    if not counts(deployment) and "stream_options" not in ask.body:
        asked.pop("stream_options", None)
    return asked


def _form(ask: Ask, target: Target, body: Body) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for name, value in _asked(ask, target, body).items():
        if name != "file":
            for one in value if isinstance(value, list) else [value]:
                form.add_field(name, one if isinstance(one, str) else orjson.dumps(one).decode())
    if ask.upload is not None:
        upload = ask.upload
        form.add_field("file", upload.data, filename=upload.filename, content_type=upload.content_type)
    return form


def _headers(ask: Ask, target: Target, there: Way, *, own_credential: bool) -> CIMultiDict[str]:
    deployment = target.deployment
    theirs = own_credential and deployment.api_key is None
    headers = CIMultiDict(there.headers)
    headers.update(forwarded_headers(ask, own_credential=theirs))
    if ask.upload is None:
        headers["Content-Type"] = "application/json"
    if deployment.organization is not None:
        headers["openai-organization"] = deployment.organization
    headers.update(deployment.extra_headers)  # in any case of letters
    return headers


def _place(host: str | None, port: int | None) -> str:
    """A colon in the host is that of an IPv6 address."""
    return f"[{host}]:{port}" if host and ":" in host else f"{host}:{port}"


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise UpstreamTimeout("the provider did not answer in time") from None
    except aiohttp.ClientConnectorDNSError as error:
        raise UpstreamUnavailable(f"no connection to {error.host}: the name is not known") from None
    except aiohttp.ClientConnectorError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise UpstreamUnavailable(f"no connection to {_place(error.host, error.port)}: {reason}") from None
    except (aiohttp.ClientError, OSError) as error:
        raise UpstreamUnavailable(f"the provider's answer broke off: {type(error).__name__}") from None
