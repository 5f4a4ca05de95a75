"""Limits of keys, teams and models, held before anything is looked up."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from askonce.core.errors import RequestError
from askonce.frontend.access.caller import ADMIN, Caller
from askonce.frontend.accounts.ledger import Ledger
from askonce.runtime.clock import wall
from askonce.stores.counting.protocol import Claim, Counters, Exceeded, Kind
from askonce.telemetry.metrics import Metrics

_SHOWN: Final = 8  # characters of a key's hash, enough to find it in a list
# How LiteLLM calls what is limited; other names are told as they are.
_WORDS: Final = {"key": "api_key", "all": "global"}
_HASH: Final = 64  # hex digits


class Admission:
    """A request that was let in. Who it is for, and each answer from upstream that it caused, `end` it once: it is
    under way for as long as one of them is.
    """

    __slots__ = ("_claims", "_counters", "_first", "_holders")

    def __init__(self, counters: Counters | None, claims: Sequence[Claim], first: "Admission | None" = None) -> None:
        self._counters = counters
        self._claims = claims
        self._first = first
        self._holders = 1

    def under(self, counters: Counters, claims: Sequence[Claim]) -> "Admission":
        """The same request, counting under more. None of these is of requests under way: that is the first's."""
        return Admission(counters, (*self._claims, *claims), self._first or self)

    def spend(self, tokens: int) -> None:
        """What an answer from upstream cost."""
        if self._counters is not None:
            self._counters.spend(self._claims, tokens)

    def hold(self) -> None:
        """One more is to `end` it: a client that leaves does not end what was asked for it."""
        if self._first is not None:
            self._first.hold()
        else:
            self._holders += 1

    def end(self) -> None:
        if self._first is not None:
            self._first.end()
            return
        self._holders -= 1
        if self._holders == 0 and self._counters is not None:
            self._counters.release(self._claims)


FREE = Admission(None, ())


@dataclass(slots=True)  # not frozen: one is made for every request, and a frozen one takes twice as long
class Payer:
    """Whose request caused an answer: who joined it pays nothing. `ends` is when the time is over that the request gave
    itself, in seconds since the epoch, where other models have had some of it.
    """

    caller: Caller
    admission: Admission
    ends: float | None = None


NOBODY = Payer(ADMIN, FREE)


class Limiter:
    """`counters` is None where nothing is limited, `ledger` where no budget is held. `clock` is in seconds since the
    epoch.
    """

    def __init__(
        self,
        counters: Counters | None,
        metrics: Metrics | None = None,
        ledger: Ledger | None = None,
        *,
        clock: Callable[[], float] = wall,
    ) -> None:
        self._ledger = ledger
        self._counters = counters
        self._clock = clock
        self._refused = (
            {} if metrics is None else {kind: metrics.counter("askonce_limited_total", kind) for kind in Kind}
        )

    async def onward(self, payer: Payer, model: str) -> Payer | None:
        """Who pays when the request asks another model after all: what it counts under for that model alone is added.
        None where such a limit is reached.
        """
        claims = payer.caller.claims_of(model)
        if not claims or self._counters is None:
            return payer
        if await self._counters.take(claims) is not None:
            return None
        return replace(payer, admission=payer.admission.under(self._counters, claims))

    async def admit(self, caller: Caller, model: str, *others: str) -> Admission:
        """`others` are further models that it names: it counts under their limits too, and once under each.

        Raises RequestError: 429, with `retry-after` and what LiteLLM tells, or 422 where a budget is gone.
        """
        if caller.budgets and self._ledger is not None:
            await self._ledger.require(caller.budgets, caller.shown)
        claims = caller.claims(model)
        if others:
            claims = tuple(dict.fromkeys((*claims, *(claim for other in others for claim in caller.claims_of(other)))))
        counters = self._counters
        if not claims or counters is None:
            return FREE
        exceeded = await counters.take(claims)
        if exceeded is None:
            return Admission(counters, claims)
        if (refused := self._refused.get(exceeded.kind)) is not None:
            refused.inc()
        raise refusal(exceeded, self._clock())


def refusal(exceeded: Exceeded, now: float) -> RequestError:
    """In the words and headers of LiteLLM's parallel_request_limiter_v3; `now` is in seconds since the epoch."""
    resets_at = now + exceeded.resets_in
    said = datetime.fromtimestamp(resets_at, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    message = (
        f"Rate limit exceeded for {_named(exceeded.claim.name)}. Limit type: {exceeded.kind}. "
        f"Current limit: {exceeded.limit}, Remaining: 0. Limit resets at: {said}"
    )
    headers = {
        "retry-after": str(max(1, math.ceil(exceeded.resets_in))),
        "rate_limit_type": str(exceeded.kind),
        "reset_at": said,
    }
    return RequestError(429, message, "rate_limit_error", code="rate_limit_exceeded", headers=headers)


def _named(name: str) -> str:
    """`key:<hash>` as `api_key: <its beginning>…`; a hash is nowhere shown whole."""
    kind, *parts = name.split(":")
    shown = [f"{part[:_SHOWN]}…" if _hashed(part) else part for part in parts]
    return f"{_WORDS.get(kind, kind)}: {':'.join(shown)}" if shown else _WORDS.get(kind, kind)


def _hashed(part: str) -> bool:
    return len(part) == _HASH and not part.strip("0123456789abcdef")
