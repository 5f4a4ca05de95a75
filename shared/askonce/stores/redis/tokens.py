"""Passwords that last an hour or less, one for all connections of a client. Knows redis-py's credential providers and
no cloud: those are in the `iam_…` modules.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from redis import exceptions as errors
from redis.credentials import CredentialProvider

ANSWER_SECONDS: Final = 5.0  # for one answer of an identity service, and for the wait of one connection

_EARLY: Final = 300.0  # seconds before its end that a token is renewed, while it is still handed out
_LATE: Final = 30.0  # seconds before its end that it is handed out no more


class NoToken(errors.ConnectionError):
    """No password could be had. Its text is fit to be shown: it is made here, without any word of a service."""


@dataclass(frozen=True, slots=True)
class Token:
    """`user` is None for the server's default user; `ends` is in seconds since the epoch."""

    password: str = field(repr=False)
    user: str | None
    ends: float


class Renewed(CredentialProvider):
    """Hands out one token until shortly before its end. All that ask while a new one is on its way share that one.

    `fetch` runs in a thread and raises NoToken. An asker that gives up leaves the fetch to the others.
    """

    def __init__(self, fetch: Callable[[], Token]) -> None:
        self._fetch = fetch
        self._token: Token | None = None
        self._renewal: asyncio.Task[Token | NoToken] | None = None

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """User and password, or the password alone. Raises NoToken."""
        token = await self._current()
        return (token.password,) if token.user is None else (token.user, token.password)

    async def _current(self) -> Token:
        token = self._token
        left = 0.0 if token is None else token.ends - time.time()
        if token is not None and left >= _EARLY:
            return token
        renewal = self._renew()
        if token is not None and left >= _LATE:
            return token
        return await _answer(renewal)

    def _renew(self) -> asyncio.Task[Token | NoToken]:
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._fetched())
            self._renewal.add_done_callback(self._renewed)
        return self._renewal

    async def _fetched(self) -> Token | NoToken:
        try:
            return await asyncio.to_thread(self._fetch)
        except NoToken as refusal:
            return refusal
        except Exception as error:  # noqa: BLE001 - whatever a foreign library meets, there is no token
            return NoToken(f"no token of its identity service ({type(error).__name__})")

    def _renewed(self, renewal: asyncio.Task[Token | NoToken]) -> None:
        self._renewal = None
        if not renewal.cancelled() and isinstance(token := renewal.result(), Token):
            self._token = token


async def _answer(renewal: asyncio.Task[Token | NoToken]) -> Token:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            outcome = await asyncio.shield(renewal)
    except TimeoutError:
        raise NoToken("no token of its identity service in time") from None
    if isinstance(outcome, NoToken):
        raise NoToken(*outcome.args)  # one exception for each asker: each adds its own traceback
    return outcome
