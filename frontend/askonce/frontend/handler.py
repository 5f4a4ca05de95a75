"""The read path: parse, authenticate, key, look up, answer. What is missing is asked upstream, once.

This page is the whole story of a request; the steps that it names are told elsewhere.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web

from askonce.bus.protocols import Publisher
from askonce.calls.endpoint import Endpoint
from askonce.core.entry import Found
from askonce.core.errors import RequestError, UpstreamError
from askonce.core.policy import Plan, plan
from askonce.frontend import respond
from askonce.frontend.access.caller import Caller
from askonce.frontend.accounts.payer import Payer
from askonce.frontend.ask import read_ask, read_body, spoken
from askonce.frontend.auth import Gate
from askonce.frontend.flights import Flights
from askonce.frontend.limits import Limiter
from askonce.frontend.meaning import EXACT, Meaning
from askonce.frontend.observe import Observed, Observer, Result
from askonce.frontend.passing import Passing
from askonce.frontend.question import Placing, Question
from askonce.frontend.remembered import Remembered
from askonce.frontend.reply import HttpDate, from_entries
from askonce.stores.tier import Tiered


class Handler:
    """Answers one route."""

    def __init__(  # noqa: PLR0913 - the composition root hands down what the read path touches
        self,
        *,
        endpoint: Endpoint,
        gate: Gate,
        limiter: Limiter,
        placing: Placing,
        tier: Tiered,
        meaning: Meaning | None,
        flights: Flights,
        bus: Publisher,
        passing: Passing,
        observer: Observer,
        clock: Callable[[], float],
    ) -> None:
        self._endpoint = endpoint
        self._gate = gate
        self._limiter = limiter
        self._placing = placing
        self._tier = tier
        self._meaning = meaning
        self._flights = flights
        self._bus = bus
        self._passing = passing
        self._observer = observer
        self._clock = clock
        self._dates = HttpDate()
        self._remembered = Remembered()

    async def handle(self, request: web.BaseRequest, named: str | None = None) -> web.StreamResponse:
        """`named` is the model that the address names, where it does."""
        observed = self._observer.begin(self._endpoint.name)
        try:
            return await self._answer(request, named, observed)
        except RequestError as error:
            observed.result = Result.REFUSED
            return respond.refusal(request, error, self._endpoint.refusal)
        except UpstreamError as error:
            observed.result = Result.ERROR
            return respond.upstream_failure(error, observed.status, self._endpoint.refusal)
        except Exception as bug:  # noqa: BLE001 - the one outermost guard: a bug costs one answer, not the process
            observed.result = Result.ERROR
            self._observer.bug(bug)
            return respond.broken(self._endpoint.refusal)
        finally:
            self._observer.end(observed)

    async def _answer(self, request: web.BaseRequest, named: str | None, observed: Observed) -> web.StreamResponse:
        caller = await self._gate.admit(request.headers)
        question = await self._question(request, named, caller)
        caller.require(question.ask.model)
        admission = await self._limiter.admit(caller, question.ask.model)
        try:
            return await self._serve(request, question, observed, Payer(caller, admission))
        finally:
            admission.end()

    async def _serve(
        self, request: web.BaseRequest, question: Question, observed: Observed, payer: Payer
    ) -> web.StreamResponse:
        now = self._clock()
        known = self._in_memory(question, now) or await self._look_up(question, now)
        if known.missing and self._meaning is not None:
            question, known, observed.similarity = await self._by_meaning(self._meaning, question, known)
        if not known.missing:
            return self._hit(request, question, known, observed)
        if question.ask.control.only_if_cached:
            raise RequestError(504, "Nothing is cached for this request, and only-if-cached was asked.", "not_cached")
        if other := self._flights.other_form(question, known.missing):
            await other.recording.over()
            if (now_known := self._in_memory(question, self._clock())) is not None:
                return self._hit(request, question, now_known, observed)
        flight, joined = self._flights.join_or_start(question, known.missing, payer)
        return await self._passing.answer(request, question, known, flight, observed, joined=joined)

    async def _question(self, request: web.BaseRequest, named: str | None, caller: Caller) -> Question:
        if self._endpoint.multipart:
            return self._placing.place(await read_ask(request, self._endpoint, None, named, caller), caller)
        data = await read_body(request)
        mark = (data, (named, caller.imprint, *spoken(request.headers)))
        known = self._remembered.get(mark)
        if known is None:
            known = self._placing.place(await read_ask(request, self._endpoint, data, named, caller), caller)
            self._remembered.put(mark, len(data), known)
        return known

    def _in_memory(self, question: Question, now: float) -> Plan | None:
        """The plan when the memory tier answers everything; None when the store, or upstream, has to be asked."""
        if not question.allowed.read:
            return None
        found = self._tier.peek(question.lookups, now)
        if found is None:
            return None
        known = self._plan(found, question, now)
        return None if known.missing else known

    async def _look_up(self, question: Question, now: float) -> Plan:
        if not question.allowed.read:
            return Plan((None,) * len(question.lookups))
        known = self._plan(await self._tier.get(question.lookups), question, now)
        if known.missing and self._meaning is None:
            await self._bus.in_step()
            known = self._heard(question) or known
        return known

    def _heard(self, question: Question) -> Plan | None:
        """An answer may have come in another frontend, and the word of it was still on its way here until now."""
        return self._in_memory(question, self._clock())

    async def _by_meaning(
        self, meaning: Meaning, question: Question, known: Plan
    ) -> tuple[Question, Plan, float | None]:
        """The question with what its meaning is, what is known of it then, and how alike the nearest was.

        The word of other frontends is waited for beside the search, and counts first: it is of this very question.
        """
        lookup = await meaning.understand(question)
        question = question._replace(lookups=[lookup, *question.lookups[1:]])
        if not question.allowed.read:
            return question, known, None
        match, _ = await asyncio.gather(meaning.search(question, lookup), self._bus.in_step())
        if (heard := self._heard(question)) is not None:
            return question, heard, None
        return question, known if match.found is None else Plan((match.found,)), match.similarity

    def _plan(self, found: list[Found] | list[Found | None], question: Question, now: float) -> Plan:
        in_stream = question.ask.streamed or self._endpoint.whole_in_stream
        return plan(found, question.ask.control, now=now, streamed=in_stream)

    def _hit(self, request: web.BaseRequest, question: Question, known: Plan, observed: Observed) -> web.StreamResponse:
        found = [one for one in known.found if one is not None]
        now = self._clock()
        reply = from_entries(self._endpoint, question.ask.body, question.form(), found, now)
        if self._meaning is not None:
            reply = reply._replace(similarity=EXACT if found[0].similarity is None else found[0].similarity)
        observed.hit(found)
        return respond.hit(request, reply, self._dates, now)
