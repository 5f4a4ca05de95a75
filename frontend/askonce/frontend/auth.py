"""Who asks, and whose answers they share. Knows credentials only as hashes once they have been compared."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from aiohttp.hdrs import AUTHORIZATION

from askonce.bus.protocols import Bucket
from askonce.config.settings import Scope, Settings
from askonce.core.errors import RequestError
from askonce.frontend.access.book import Book
from askonce.frontend.access.caller import ADMIN, Caller
from askonce.frontend.access.terms import terms_of
from askonce.runtime.clock import wall
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

# Where a client may show its key, beside `Authorization: Bearer`: LiteLLM's own header, Azure's and Anthropic's.
KEY_HEADERS: Final = ("x-litellm-api-key", "api-key", "x-api-key")
_OURS, *_OTHERS = KEY_HEADERS


_USUAL: Final = frozenset({None, "localhost:4000", "127.0.0.1:4000"})
# RFC 6761, RFC 6762, RFC 8375, and the name that ICANN keeps for private use.
_NOBODYS: Final = (".localhost", ".local", ".test", ".internal", ".home.arpa")


class Credential(NamedTuple):
    """What a client shows to be let in. `bearer` tells that it stood in `Authorization`."""

    value: str
    bearer: bool


class Gate:
    """Lets requests in by the master key or a virtual one, or everybody where no master key is set."""

    def __init__(
        self,
        master_key: str | None,
        scope: Scope | None,
        *,
        local: bool = False,
        book: Book | None = None,
        admin: Caller = ADMIN,
    ) -> None:
        """`local`: only this machine reaches the port. `book` has the virtual keys; `admin` is whoever has none."""
        self._expected = None if master_key is None else _bytes(master_key)
        self._scope = scope
        self._local = local
        self._book = book
        self._admin = admin

    async def admit(self, headers: Mapping[str, str]) -> Caller:
        """Raises RequestError: 401, 403 for a web page's request where no key is set, or 503 for a key that cannot be
        looked up now.
        """
        if self._expected is None:
            # Without a key, whoever reaches the port is let in: a web page in the operator's browser must not.
            if _from_another_site(headers):
                raise RequestError(403, "Requests from other web sites need a master key.", "auth_error")
            if self._local and headers.get("Host") not in _USUAL and not _private(headers.get("Host", "")):
                raise RequestError(403, "Without a master key no public name of a host is answered to.", "auth_error")
            return self._admin
        given = credential(headers)
        if given is None:
            if headers.get("Authorization", "").partition(" ")[0].lower() not in {"", "bearer"}:
                raise RequestError(401, 'Authorization must begin with "Bearer ".', "auth_error")
            raise RequestError(401, "No API key was given. Send it as `Authorization: Bearer KEY`.", "auth_error")
        shown = _bytes(given.value)
        if hmac.compare_digest(shown, self._expected):
            return self._admin
        caller = None if self._book is None else await self._book.key(hashlib.sha256(shown).hexdigest())
        if caller is None:
            raise RequestError(401, "The API key is wrong.", "auth_error", code="invalid_api_key")
        return caller

    async def admin(self, headers: Mapping[str, str], route: str) -> Caller:
        """For what only operators may do. `route` is the path, such as "/key/generate".

        Raises RequestError as `admit`, and in LiteLLM's words (401) for a virtual key.
        """
        caller = await self.admit(headers)
        if not caller.admin:
            said = (
                "Authentication Error, Only proxy admin can be used to generate, delete, update info for new "
                f"keys/users/teams. Route={route}. Your role=unknown. Your user_id={_masked(caller.user_id)}"
            )
            raise RequestError(401, said, "auth_error", code="401")
        return caller

    @property
    def closed(self) -> bool:
        """Whether a key is needed; such a key is the proxy's own and never goes upstream."""
        return self._expected is not None

    def tenant(self, headers: Mapping[str, str], caller: Caller, *, own_credential: bool) -> str:
        """Who shares answers with this request: "" is everybody, else a hash of the credential.

        Where the client's own credential goes upstream nobody else is served what it paid for, unless the operator
        set `cache_scope: global`. With a virtual key it is what the key, its team and the operator want.
        """
        if caller.name:
            return caller.tenant
        if self._scope == "global" or (self._scope is None and not own_credential):
            return ""
        given = credential(headers)
        return hashlib.sha256(b"tenant\n" + (b"" if given is None else _bytes(given.value))).hexdigest()


def credential(headers: Mapping[str, str]) -> Credential | None:
    """What the client shows, in LiteLLM's order: its own header, then `Authorization`, then Azure's and Anthropic's."""
    if (ours := headers.get(_OURS)) and (given := ours.removeprefix("Bearer ").strip()):
        return Credential(given, False)
    kind, _, given = headers.get(AUTHORIZATION, "").partition(" ")
    if kind.lower() == "bearer" and (given := given.strip()):
        return Credential(given, True)
    given = next((found for name in _OTHERS if (found := headers.get(name, "").strip())), "")
    return Credential(given, False) if given else None


async def open_gate(  # noqa: PLR0913 - what a gate is made from
    settings: Settings,
    bucket: Bucket,
    meant: Callable[[str], str],
    at_close: Callable[..., object],
    *,
    local: bool,
    metrics: Metrics,
    log: Log,
) -> Gate:
    """With the virtual keys of the bucket, where there is a master key. `meant` is what an alias of a model leads to;
    for `local` see Gate. Raises BusUnavailable.
    """
    scope, terms = settings.proxy.cache_scope, terms_of(settings, meant)
    if settings.master_key is None:
        return Gate(None, scope, local=local, admin=terms.admin())
    ttl, grace = settings.access.key_ttl, settings.proxy.key_grace
    book = Book(bucket, terms, ttl=ttl, grace=grace, clock=wall, metrics=metrics, log=log)
    at_close(book.close)
    await book.open()
    return Gate(settings.master_key.get_secret_value(), scope, local=local, book=book, admin=terms.admin())


def _from_another_site(headers: Mapping[str, str]) -> bool:
    """Whether a browser says so: by the Fetch Metadata headers, or by Origin."""
    if headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        return True
    origin = headers.get("Origin")
    return origin is not None and origin.partition("://")[2] != headers.get("Host")


@lru_cache(maxsize=256)  # it is asked for every hit, about the same few names
def _private(host: str) -> bool:
    """Whether this name of a host, with or without a port, is an address, or one that nobody can register. To a host
    whose name a browser was lied to about (DNS rebinding) all is one site.
    """
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    name = name.lower().rstrip(".")
    if "." not in name or name.startswith("[") or name.replace(".", "").isdigit():
        return True
    return name.endswith(_NOBODYS)


def _masked(user_id: str) -> str:
    """As LiteLLM shows a user's name to who may not ask about it."""
    name = user_id or "unknown"
    if len(name) <= 4:
        return "***"
    return "*" * len(name) if len(name) <= 8 else f"{name[:6]}{'*' * (len(name) - 8)}{name[-2:]}"


def _bytes(text: str) -> bytes:
    """The bytes as they came: aiohttp reads a header that is no UTF-8 in this way too."""
    return text.encode(errors="surrogateescape")
