"""Texts of many askers in one call of an embedder: while calls are under way, the texts for the next are gathered.

A call belongs to this object and not to its askers: one that gives up takes nothing from the others. A text that
several ask for is embedded once. Knows no deadline and no breaker.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from askonce.core.errors import EmbedderUnavailable
from askonce.frontend.embedders.protocol import Embedder
from askonce.telemetry.logs import Log

_URGENT: Final = 256  # texts that may wait while a request waits for them
_PATIENT: Final = 1024  # and texts that nobody's request waits for


class Outcome(StrEnum):
    """How the asking for a vector ended. `unfit`: the model cannot take the text whole; `open`: not asked, because it
    fails; `crowded`: not asked, because too many wait.
    """

    CACHED = "cached"
    OK = "ok"
    UNFIT = "unfit"
    TIMEOUT = "timeout"
    ERROR = "error"
    OPEN = "open"
    CROWDED = "crowded"


class Embedded(NamedTuple):
    outcome: Outcome
    values: bytes | None = None


_ERROR: Final = Embedded(Outcome.ERROR)


@dataclass(slots=True, eq=False)
class _Wanted:
    text: str
    answer: asyncio.Future[Embedded]
    askers: int = 0


class Gathering:
    """`embedded` is told each text and its vector, `took` the seconds of each call by `timer`."""

    def __init__(
        self,
        embedder: Embedder,
        *,
        embedded: Callable[[str, bytes], None],
        took: Callable[[float], None],
        log: Log,
        timer: Callable[[], float],
    ) -> None:
        self._embedder = embedder
        self._embedded = embedded
        self._took = took
        self._log = log
        self._timer = timer
        self._urgent: OrderedDict[str, _Wanted] = OrderedDict()
        self._patient: OrderedDict[str, _Wanted] = OrderedDict()
        self._sent: dict[str, _Wanted] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._called = False
        self._closed = False

    async def get(self, text: str, *, patient: bool) -> Embedded:
        """Never raises. Who is patient is served after everybody else."""
        wanted = self._join(text, patient=patient)
        if wanted is None:
            return _ERROR if self._closed else Embedded(Outcome.CROWDED)
        wanted.askers += 1
        try:
            return await asyncio.shield(wanted.answer)
        finally:
            wanted.askers -= 1
            if not wanted.askers:  # where it was not sent yet, it never is
                for queue in (self._urgent, self._patient):
                    if queue.get(text) is wanted:
                        del queue[text]

    def _join(self, text: str, *, patient: bool) -> _Wanted | None:
        wanted = self._sent.get(text) or self._urgent.get(text)
        if wanted is not None or self._closed:
            return wanted
        queue, most = (self._patient, _PATIENT) if patient else (self._urgent, _URGENT)
        wanted = queue.get(text)
        if wanted is None:
            if len(queue) >= most:
                return None
            wanted = self._patient.pop(text, None)  # it has become urgent
        loop = asyncio.get_running_loop()
        if wanted is None:
            wanted = _Wanted(text, loop.create_future())
        queue[text] = wanted
        if not self._called:
            self._called = True
            loop.call_soon(self._send)  # in the next turn of the loop: whoever asks in this one goes along
        return wanted

    def _send(self) -> None:
        self._called = False
        while (self._urgent or self._patient) and len(self._calls) < self._embedder.calls:
            call = asyncio.create_task(self._call(self._take()), name="embedding")
            self._calls.add(call)
            call.add_done_callback(self._returned)

    def _take(self) -> list[_Wanted]:
        batch: list[_Wanted] = []
        for queue in (self._urgent, self._patient):
            while queue and len(batch) < self._embedder.texts:
                batch.append(queue.popitem(last=False)[1])
        self._sent.update((wanted.text, wanted) for wanted in batch)
        return batch

    def _returned(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if not self._closed:
            self._send()

    async def _call(self, batch: list[_Wanted]) -> None:
        """However it ends, nobody is left waiting."""
        started = self._timer()
        try:
            vectors = await self._embedder.embed([wanted.text for wanted in batch])
            for wanted, values in list(zip(batch, vectors, strict=True)):  # all of them, or none gets another's vector
                if values is not None:
                    self._embedded(wanted.text, values)
                _tell(wanted, Embedded(Outcome.UNFIT if values is None else Outcome.OK, values))
        except EmbedderUnavailable as error:
            self._log.warning("embedding_failed", why=str(error), texts=len(batch))
        except Exception as bug:  # noqa: BLE001 - the outermost guard of this task: a bug costs vectors, not answers
            self._log.exception("embedding_failed", error=type(bug).__name__, texts=len(batch))
        finally:
            for wanted in batch:
                del self._sent[wanted.text]
                _tell(wanted, _ERROR)
            self._took(self._timer() - started)

    async def close(self) -> None:
        """Whoever still waits gets nothing."""
        self._closed = True
        for queue in (self._urgent, self._patient, self._sent):
            for wanted in queue.values():
                _tell(wanted, _ERROR)
        self._urgent.clear()
        self._patient.clear()
        if self._calls:
            for call in self._calls:
                call.cancel()
            await asyncio.wait(self._calls)


def _tell(wanted: _Wanted, how: Embedded) -> None:
    if not wanted.answer.done():
        wanted.answer.set_result(how)
