"""Upstream answers that are arriving now, one for each question: identical asks join the first.

You may join a flight iff you may read and write its entry. A flight goes on without its first client, so that the
answer is kept; one that nobody waits for and that cannot be kept is given up.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from askonce.calls.endpoint import Body
from askonce.core.entry import SSE
from askonce.core.errors import UpstreamError, UpstreamUnavailable
from askonce.core.policy import Rules, Skip, SkipReason, Why, room
from askonce.frontend.accounts.payer import NOBODY, Payer
from askonce.frontend.deployments import Target
from askonce.frontend.keeping import Keeper, Whole
from askonce.frontend.question import Question
from askonce.frontend.recording import Head, Recording
from askonce.frontend.upstream import Upstream, UpstreamAnswer, asked_patience
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics


@dataclass(eq=False, slots=True)
class Flight:
    """`shown` once the cache had its look; `skipped` is why the answer was not kept, None when it was. `cost` is in US
    dollars, None where nobody says what the model costs; `retries` are the tries after the first.
    """

    question: Question
    missing: list[int]
    body: Body
    target: Target
    recording: Recording
    asked_at: float
    payer: Payer
    shown: bool = False
    skipped: SkipReason | Why | None = None
    cost: float | None = None
    retries: int = 0


class Flights:
    def __init__(
        self,
        *,
        upstream: Upstream,
        keeper: Keeper,
        rules: Rules,
        metrics: Metrics,
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        self._upstream = upstream
        self._keeper = keeper
        self._rules = rules
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._joinable: dict[tuple[object, ...], Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        metrics.sample("askonce_flights", lambda: len(self._tasks))

    def join_or_start(self, question: Question, missing: list[int], payer: Payer = NOBODY) -> tuple[Flight, bool]:
        """The flight that answers the missing parts, and whether somebody else had started it."""
        mark = _mark(question, missing, streamed=question.ask.streamed)
        sharing = question.allowed.read and question.allowed.write
        flight = self._joinable.get(mark) if sharing else None
        if flight is not None and self._joinable_still(flight):
            return flight, True
        # An answer that cannot be kept is held for nobody but its reader.
        held = room(self._rules, parts=len(missing), streamed=question.ask.streamed) if question.allowed.write else 0
        recording = Recording(held)
        route = question.route
        target = route.first if question.ask.endpoint.kept_upstream(question.ask.body) else route.next()
        flight = Flight(question, missing, question.body_for(missing), target, recording, self._clock(), payer)
        if sharing:
            self._joinable[mark] = flight
        task = asyncio.create_task(self._fly(flight, mark), name="flight")
        self._tasks.add(task)
        task.add_done_callback(self._landed)
        if recording.limit == 0:
            recording.on_abandoned = task.cancel
        return flight, False

    def other_form(self, question: Question, missing: list[int]) -> Flight | None:
        """A flight with the same answer in the other form: a stream for a plain ask, and the other way round."""
        if not (question.allowed.read and question.allowed.write):
            return None
        flight = self._joinable.get(_mark(question, missing, streamed=not question.ask.streamed))
        return flight if flight is not None and self._joinable_still(flight) else None

    def _joinable_still(self, flight: Flight) -> bool:
        """What was deleted meanwhile is nobody's answer any more who asks after that."""
        return flight.recording.joinable and not self._keeper.overtaken(flight.question, flight.asked_at)

    async def drain(self, within: float) -> None:
        """Waits for the answers that are arriving, `within` seconds at most, then gives up the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within)
        rest = list(self._tasks)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _fly(self, flight: Flight, mark: tuple[object, ...]) -> None:
        """Asks, records, keeps. However it ends, the recording ends with it."""
        error: UpstreamError | None = UpstreamUnavailable("the proxy is shutting down")
        name, status, started = flight.question.ask.endpoint.name, "error", self._clock()
        try:
            question = flight.question
            asking = self._upstream.asking(question.ask, flight.target, flight.body, question.credential)
            async with asking as answer:
                status = f"{answer.status // 100}xx"
                await self._record(flight, answer, started)
            error = None
        except UpstreamError as failure:
            error = failure
            deployment = flight.target.deployment.pattern
            self._log.warning("upstream_failed", reason=str(failure), model=flight.target.model, deployment=deployment)
        except Exception as bug:  # noqa: BLE001 - the outermost guard of this task: whoever waits gets an answer
            error = UpstreamUnavailable("the proxy failed to ask; its log says why")
            self._log.exception("flight_failed", error=type(bug).__name__)
        finally:
            if self._joinable.get(mark) is flight:
                del self._joinable[mark]
            flight.recording.finish(error)
            self._metrics.histogram("askonce_upstream_seconds", name, status).observe(self._clock() - started)

    async def _record(self, flight: Flight, answer: UpstreamAnswer, started: float) -> None:
        recording, endpoint = flight.recording, flight.question.ask.endpoint
        recording.open(Head(answer.status, answer.headers, answer.media_type, answer.length, answer.framed))
        end = _End(answer, endpoint.terminal)
        async for chunk in answer.chunks():
            if recording.size == 0:
                first_byte = self._metrics.histogram("askonce_upstream_first_byte_seconds", endpoint.name)
                first_byte.observe(self._clock() - started)
            # The client may ask again once it sees the end, so the answer is kept before the end is passed on.
            if not recording.overflown and end.is_in(chunk):
                await self._keep(flight, recording.whole() + chunk, at_end=False)
            recording.append(chunk)
            if not await recording.room():
                break
        await self._keep(flight, b"" if recording.overflown else recording.whole(), at_end=True)

    async def _keep(self, flight: Flight, payload: bytes, *, at_end: bool) -> None:
        """Shows the answer to the cache once it is complete, and once only.

        What was too large to be held is shown by its size alone. What looks like an end before the end may be no
        more than a word of the answer.
        """
        if flight.shown:
            return
        recording, question = flight.recording, flight.question
        whole = Whole(
            question=question,
            body=flight.body,
            lookups=[question.lookups[n] for n in flight.missing],
            model=flight.target.model,
            asked_at=flight.asked_at,
            head=recording.opened,
            payload=payload,
            size=max(recording.size, len(payload)),
            room=recording.limit,
        )
        verdict = await self._keeper.judge(whole)
        if at_end or verdict != Skip(SkipReason.INCOMPLETE):
            flight.shown = True
            flight.skipped = await self._keeper.settle(whole, verdict)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)


class _End:
    """Where an answer ends, told before its last bytes are passed on: by the length that was announced, or by the blank
    line behind the word that stands in the last event of a stream. An answer in chunks, of a length that nobody knows,
    shows its end only by the end of the chunks.
    """

    def __init__(self, answer: UpstreamAnswer, terminal: bytes) -> None:
        self._terminal = terminal if answer.media_type == SSE else None
        self._left = answer.length
        self._tail = b""
        self._named = False  # the word was seen, and no blank line since

    def is_in(self, chunk: bytes) -> bool:
        if self._terminal is not None:
            # A long event comes in several chunks: what was seen of it is remembered by the word alone.
            seen = self._tail + chunk
            self._tail = seen[1 - len(self._terminal) :]
            blank, word = max(seen.rfind(b"\n\n"), seen.rfind(b"\r\n\r\n")), seen.rfind(self._terminal)
            ended = blank > word if word >= 0 else self._named and blank >= 0
            self._named = (self._named or word >= 0) and not ended
            return ended
        if self._left is None:
            return False
        self._left -= len(chunk)
        return self._left == 0


def _mark(question: Question, missing: list[int], *, streamed: bool) -> tuple[object, ...]:
    # A leader's own deadline must not end the answer of who did not ask for one.
    return (streamed, asked_patience(question.ask.body), *(str(question.lookups[n].key) for n in missing))
