"""Upstream answers that are arriving now, one for each question: identical asks join the first.

You may join a flight iff you may read and write its entry. A flight goes on without its first client, so that the
answer is kept. Where nobody waits for what cannot be kept nobody else is asked, and the answer is read on for a moment
only: what it cost stands at its end, and who left early has caused it all the same.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from askonce.calls.endpoint import Body
from askonce.core.entry import SSE
from askonce.core.errors import UpstreamError, UpstreamUnavailable
from askonce.core.money import dollars
from askonce.core.policy import Rules, Skip, SkipReason, Store, Why, room
from askonce.frontend.accounts.accounts import Accounts
from askonce.frontend.accounts.meter import Meter
from askonce.frontend.deployments import Target
from askonce.frontend.keeping import Keeper, Whole, priced
from askonce.frontend.limits import NOBODY, Payer
from askonce.frontend.question import Question
from askonce.frontend.recording import Head, Recording
from askonce.frontend.routing.attempts import asking
from askonce.frontend.routing.router import Course, Router
from askonce.frontend.upstream import Upstream, UpstreamAnswer, asked_patience, asked_retries
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

_MOMENT: Final = 5.0  # seconds that an answer may go on for its cost alone
_UNJUDGED: Final = Skip(SkipReason.INCOMPLETE)


@dataclass(eq=False, slots=True)
class Flight:
    """`target` is who answers, once somebody does; `retries` are the tries before that. `shown` once the cache had its
    look; `skipped` is why the answer was not kept, None when it was. `cost` is in US dollars, None where nobody says
    what the model costs. `abandoned`: nobody waits for it, and it cannot be kept.
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
    abandoned: bool = False


class Flights:
    def __init__(  # noqa: PLR0913 - the composition root hands down what asking touches
        self,
        *,
        upstream: Upstream,
        router: Router,
        keeper: Keeper,
        accounts: Accounts,
        rules: Rules,
        metrics: Metrics,
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        self._upstream = upstream
        self._router = router
        self._keeper = keeper
        self._accounts = accounts
        self._rules = rules
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._joinable: dict[tuple[object, ...], Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        metrics.sample("askonce_flights", lambda: len(self._tasks))

    def join_or_start(self, question: Question, missing: list[int], payer: Payer = NOBODY) -> tuple[Flight, bool]:
        """The flight that answers the missing parts, and whether somebody else had started it.

        Raises RequestError (429) where every deployment of the model is at its limit.
        """
        mark = _mark(question, missing, streamed=question.ask.streamed)
        sharing = question.allowed.read and question.allowed.write
        flight = self._joinable.get(mark) if sharing else None
        if flight is not None and self._joinable_still(flight):
            return flight, True
        course = self._router.course(question.route, question.ask, payer.ends)
        # An answer that cannot be kept is held for nobody but its reader.
        held = room(self._rules, parts=len(missing), streamed=question.ask.streamed) if question.allowed.write else 0
        recording = Recording(held)
        flight = Flight(question, missing, question.body_for(missing), course.target, recording, self._clock(), payer)
        if sharing:
            self._joinable[mark] = flight
        payer.admission.hold()
        task = asyncio.create_task(self._fly(flight, mark, course), name="flight")
        self._tasks.add(task)
        task.add_done_callback(self._landed)
        task.add_done_callback(lambda _: course.end())
        task.add_done_callback(lambda _: payer.admission.end())
        recording.on_abandoned = partial(self._abandoned, flight, mark, course, task)
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

    async def _fly(self, flight: Flight, mark: tuple[object, ...], course: Course) -> None:
        """Asks, records, keeps. However it ends, the recording ends with it."""
        error: UpstreamError | None = UpstreamUnavailable("the proxy is shutting down")
        name, status, started = flight.question.ask.endpoint.name, "error", self._clock()
        try:
            question = flight.question
            async with asking(self._upstream, course, question.ask, flight.body, question.credential) as answer:
                flight.target, flight.retries = course.target, course.retries
                status = f"{answer.status // 100}xx"
                await self._record(flight, answer, started)
            error = None
        except UpstreamError as failure:
            error = failure
            flight.target, flight.retries = course.target, course.retries
            deployment = flight.target.deployment.pattern
            self._log.warning("upstream_failed", reason=str(failure), model=flight.target.model, deployment=deployment)
        except Exception as bug:  # noqa: BLE001 - the outermost guard of this task: whoever waits gets an answer
            error = UpstreamUnavailable("the proxy failed to ask; its log says why")
            self._log.exception("flight_failed", error=type(bug).__name__)
        except asyncio.CancelledError:
            if status == "error" and course.asking:
                self._accounts.unpriced(course.target)  # what it was about to answer
            raise
        finally:
            self._part(flight, mark)
            flight.recording.finish(error)
            self._metrics.histogram("askonce_upstream_seconds", name, status).observe(self._clock() - started)

    async def _record(self, flight: Flight, answer: UpstreamAnswer, started: float) -> None:
        recording, endpoint = flight.recording, flight.question.ask.endpoint
        recording.open(Head(answer.status, answer.headers, answer.media_type, answer.length, answer.framed))
        end = _End(answer, endpoint.terminal)
        meter, broken = Meter(endpoint, flight.body, answer.media_type, answer.status), False
        try:
            async for chunk in answer.chunks():
                if recording.size == 0:
                    first_byte = self._metrics.histogram("askonce_upstream_first_byte_seconds", endpoint.name)
                    first_byte.observe(self._clock() - started)
                meter.watch(recording, chunk)
                # The client may ask again once it sees the end, so the answer is kept before the end is passed on.
                if not recording.overflown and end.is_in(chunk):
                    await self._keep(flight, meter, recording.whole() + chunk, at_end=False)
                recording.append(chunk)
                await recording.room()
                if flight.abandoned and not meter.listening:
                    break
            await self._keep(flight, meter, _held(recording), at_end=True)
        except UpstreamError:
            broken = True
            raise
        finally:
            if not meter.done:
                await self._account(flight, meter, _held(recording), broken=broken)

    async def _keep(self, flight: Flight, meter: Meter, payload: bytes, *, at_end: bool) -> None:
        """Shows the answer to the cache once it is complete, and once only; its cost is known by then.

        What was too large to be held is shown by its size alone. What looks like an end before the end may be no
        more than a word of the answer.
        """
        if not flight.shown:
            whole = _whole(flight, payload)
            verdict = await self._keeper.judge(whole)
            if at_end or verdict != Skip(SkipReason.INCOMPLETE):
                flight.shown = True
                if at_end or isinstance(verdict, Store) or not meter.streamed:
                    verdict = await self._account(flight, meter, payload, verdict)
                flight.skipped = await self._keeper.settle(whole, verdict)
        if at_end:
            await self._account(flight, meter, payload)

    async def _account(
        self, flight: Flight, meter: Meter, payload: bytes, verdict: Store | Skip = _UNJUDGED, *, broken: bool = False
    ) -> Store | Skip:
        """Puts down what the answer cost, once; gives the verdict with the cost of what is kept. Of an answer that
        broke off, only what it told of itself counts.
        """
        if meter.done or not meter.answered:
            return verdict
        entries = verdict.entries if isinstance(verdict, Store) else ()
        metered = meter.kept(entries, len(flight.missing)) or meter.read(payload)
        if broken and metered.usage is None:
            return verdict
        name = flight.question.ask.endpoint.name
        amount = await self._accounts.answered(flight.payer, name, flight.target, metered)
        meter.done = True  # and not before: who is given up in the middle has counted nothing
        flight.cost = None if amount is None else dollars(amount)
        if metered.usage is not None:
            self._router.spend(flight.target, metered.usage.prompt + metered.usage.completion)
        return priced(verdict, amount, len(flight.missing)) if isinstance(verdict, Store) else verdict

    def _abandoned(self, flight: Flight, mark: tuple[object, ...], course: Course, task: "asyncio.Task[None]") -> None:
        """Who is asked now may still say what it cost; nobody else is asked."""
        flight.abandoned = True
        self._part(flight, mark)
        course.give_up()
        if course.asking:
            asyncio.get_running_loop().call_later(_MOMENT, task.cancel)
        else:
            task.cancel()

    def _part(self, flight: Flight, mark: tuple[object, ...]) -> None:
        if self._joinable.get(mark) is flight:
            del self._joinable[mark]

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)


def _held(recording: Recording) -> bytes:
    return b"" if recording.overflown else recording.whole()


def _whole(flight: Flight, payload: bytes) -> Whole:
    recording, question = flight.recording, flight.question
    return Whole(
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
    # A leader's own deadline must not end the answer of who did not ask for one, nor its want of tries.
    patience = (asked_patience(question.ask.body), asked_retries(question.ask))
    return (streamed, *patience, *(str(question.lookups[n].key) for n in missing))
