"""How a Qdrant server is reached, and what its errors mean here. Knows qdrant-client and no entry."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx
from pydantic import ValidationError
from qdrant_client import AsyncQdrantClient
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from askonce.config.settings import QdrantSettings
from askonce.core.errors import ConfigError, StoreError, StoreRefused, StoreUnavailable

NAME: Final = "qdrant-semantic"

_CONNECTIONS: Final = 16
# Qdrant closes a connection that lay idle for 5 s: one that is closed here first is never used in that moment.
_IDLE_SECONDS: Final = 4.0

# Never the server's own text: it may quote what was sent.
_STATUS_WORDS: Final = {
    401: "it does not accept the API key",
    403: "it does not accept the API key for this, or is locked",
    429: "it has too much to do",
}
_TOO_LARGE: Final = 413


class Absent(StoreUnavailable):
    """The collection is not there, or no Qdrant is."""


class Taken(StoreUnavailable):
    """The collection exists already."""


def connect(settings: QdrantSettings, seconds: float) -> AsyncQdrantClient:
    """A client, not connected yet; `seconds` bound connecting and each step of an answer. Raises ConfigError, without
    any value of the settings.

    A URL without a port means 443 or 80, as it does to LiteLLM, and not qdrant-client's 6333. The key goes in as a
    header, for which qdrant-client neither warns (in private networks plain HTTP is common) nor turns to TLS.
    """
    headers = {"Accept-Encoding": "identity"}  # it would compress every answer, and be waited for
    if settings.api_key is not None:
        headers["api-key"] = settings.api_key.get_secret_value()
    try:
        return AsyncQdrantClient(
            url=settings.url,
            port=None,
            headers=headers,
            timeout=math.ceil(seconds),
            verify=not settings.url.lower().startswith("http:"),  # nothing to load, which takes 20 ms
            check_compatibility=False,  # a request in a thread of its own, whose outcome is a warning
            # qdrant-client's own keep no connection to a server on this machine
            limits=httpx.Limits(
                max_connections=_CONNECTIONS,
                max_keepalive_connections=_CONNECTIONS,
                keepalive_expiry=_IDLE_SECONDS,
            ),
        )
    except (ValueError, httpx.InvalidURL) as error:
        words = f"http:// or https:// and the address of a Qdrant server ({type(error).__name__})"
        raise ConfigError("cache_params", "qdrant_api_base", words) from None


@asynccontextmanager
async def answering(seconds: float, *, writing: bool = False) -> AsyncIterator[None]:
    """What is done within ends in so many seconds, and fails with StoreUnavailable: Absent where the collection is
    missing, Taken where it is made and exists. With `writing`, what the server turns down for good is StoreRefused.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise StoreUnavailable(f"{NAME}: no answer in time") from None
    except (ApiException, QdrantException, ValueError, RecursionError, OSError) as error:
        raise _ours(error, writing=writing) from None


def _ours(error: Exception, *, writing: bool) -> StoreError:
    if isinstance(error, UnexpectedResponse):
        return _of_status(error.status_code or 0, writing=writing)
    if isinstance(error, QdrantException):
        return StoreUnavailable(f"{NAME}: {_STATUS_WORDS[429]}")
    cause = error.source if isinstance(error, ResponseHandlingException) else error
    if isinstance(cause, httpx.TimeoutException):
        return StoreUnavailable(f"{NAME}: no answer in time")
    if isinstance(cause, ValidationError | ValueError | RecursionError):
        return StoreUnavailable(f"{NAME}: what answers is no Qdrant server")
    if isinstance(cause, httpx.TransportError | OSError):
        return StoreUnavailable(f"{NAME}: cannot be reached")
    return StoreUnavailable(f"{NAME}: {type(cause).__name__}")


def _of_status(status: int, *, writing: bool) -> StoreError:
    if status in _STATUS_WORDS:
        return StoreUnavailable(f"{NAME}: {_STATUS_WORDS[status]}")
    if status == 404:
        return Absent(f"{NAME}: neither the collection nor perhaps Qdrant is there (HTTP 404)")
    if status == 409:
        return Taken(f"{NAME}: the collection exists already")
    if status == _TOO_LARGE and writing:
        return StoreRefused(f"{NAME}: larger than the server takes in one request")
    if 400 <= status < 500 and status != 408:
        kind = StoreRefused if writing else StoreUnavailable
        return kind(f"{NAME}: it turns the request down (HTTP {status})")
    return StoreUnavailable(f"{NAME}: it fails (HTTP {status})")
