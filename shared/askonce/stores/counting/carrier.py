"""How a round trip of counting is made: in time, by the script's digest or its text, or not while Redis is away."""

import asyncio
from collections.abc import Callable
from typing import Final

from askonce.core.errors import StoreError, StoreUnavailable
from askonce.stores.circuit import Circuit
from askonce.stores.counting.script import SCRIPT, SHA, Terms, Trip
from askonce.stores.redis.client import NoScript
from askonce.stores.redis.keys import Command, Keys, raise_first
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

_LATE: Final = "no answer in time"


class Carrier:
    """`deadline` is in seconds. After five failures in a row nothing is asked, until a probe is answered in time;
    `changed` is called then and then.
    """

    def __init__(  # noqa: PLR0913 - what RedisCounters is given
        self,
        keys: Keys,
        prefix: str,
        me: str,
        terms: Terms,
        deadline: float,
        *,
        changed: Callable[[], None],
        metrics: Metrics,
        log: Log,
        timer: Callable[[], float],
    ) -> None:
        self._keys, self._prefix, self._me, self._terms, self._deadline = keys, prefix, me, terms, deadline
        self._gauge = metrics.gauge("askonce_limits_shared")
        told = {"store": "redis", "verb": "limits"}
        self._told, self._log = changed, log
        self._circuit = Circuit(self._probe, deadline=deadline, changed=self._changed, log=log, timer=timer, **told)
        self._show()

    @property
    def open(self) -> bool:
        """Whether Redis is not asked."""
        return self._circuit.open

    def _show(self) -> None:
        self._gauge.set(not self._circuit.open)

    def _changed(self) -> None:
        self._show()
        if self._circuit.open:
            self._log.warning("limits_not_shared", why="Redis is away: each frontend counts for itself")
        else:
            self._log.info("limits_shared")
        self._told()

    async def ask(self, trip: Trip, started: float) -> list[list[int]]:
        """An answer for each of what is wanted. Raises StoreUnavailable, and tells the breaker."""
        try:
            async with asyncio.timeout(self._deadline):
                answers = await self._run(trip)
        except (TimeoutError, StoreError) as error:
            self._circuit.failed(started, str(error) or _LATE)
            raise StoreUnavailable(str(error) or _LATE) from None
        self._circuit.succeeded()
        return answers

    async def _run(self, trip: Trip) -> list[list[int]]:
        keys = trip.keys(self._prefix)
        rest: Command = (len(keys), *keys, trip.said(self._terms))
        (answer,) = await self._keys.run([("EVALSHA", SHA, *rest)])
        if isinstance(answer, NoScript):
            (answer,) = await self._keys.run([("EVAL", SCRIPT, *rest)])
        raise_first([answer])
        return list(answer)

    async def _probe(self) -> None:
        await self._run(Trip(self._me, probe=True))

    async def close(self) -> None:
        await self._circuit.close()
        await self._keys.close()
