"""The read path: parse, authenticate, key, look up, answer. What is missing is asked upstream, once.

This page is the whole story of a request; the steps that it names are told elsewhere.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from aiohttp import web

from askonce.bus.protocols import Publisher
from askonce.calls.endpoint import Endpoint
from askonce.core.entry import Found
from askonce.core.errors import RequestError, UpstreamError
from askonce.core.policy import Plan, plan
from askonce.frontend import respond
from askonce.frontend.access.caller import Caller
from askonce.frontend.ask import Ask, read_ask, read_body, spoken
from askonce.frontend.auth import Gate
from askonce.frontend.falling import Fallbacks, Falling, Outcome
from askonce.frontend.flights import Flight, Flights
from askonce.frontend.limits import Limiter, Payer
from askonce.frontend.meaning import EXACT, Meaning
from askonce.frontend.observe import Observed, Observer, Result
from askonce.frontend.passing import Asked, Full, Passing, failed
from askonce.frontend.question import Placing, Question
from askonce.frontend.recording import Reading
from askonce.frontend.remembered import Remembered
from askonce.frontend.reply import HttpDate, from_entries
from askonce.frontend.there import GoneError, unheard, while_there
from askonce.frontend.upstream import asked_patience
from askonce.stores.tier import Tiered


class Hit(NamedTuple):
    """A question whose every part was found."""

    question: Question
    known: Plan


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
        fallbacks: Fallbacks,
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
        self._fallbacks = fallbacks
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
        except GoneError:
            return unheard()
        except Exception as bug:  # noqa: BLE001 - the one outermost guard: a bug costs one answer, not the process
            observed.result = Result.ERROR
            self._observer.bug(bug)
            return respond.broken(self._endpoint.refusal)
        finally:
            self._observer.end(observed)

    async def _answer(self, request: web.BaseRequest, named: str | None, observed: Observed) -> web.StreamResponse:
        caller = await self._gate.admit(request.headers)
        observed.team = caller.team
        question = await self._question(request, named, caller)
        observed.model = question.listed
        caller.require(question.ask.model)
        admission = await self._limiter.admit(caller, question.ask.model)
        try:
            return await self._serve(request, question, observed, Payer(caller, admission))
        finally:
            admission.end()

    async def _serve(
        self, request: web.BaseRequest, question: Question, observed: Observed, payer: Payer
    ) -> web.StreamResponse:
        """What is not at hand is waited for while the client is there; what is kept comes without it, too."""
        if (known := self._in_memory(question, self._clock())) is not None:
            return self._hit(request, Hit(question, known), observed)
        return await while_there(request, self._wait_for(request, question, observed, payer))

    async def _wait_for(
        self, request: web.BaseRequest, question: Question, observed: Observed, payer: Payer
    ) -> web.StreamResponse:
        found = await self._seek(question, payer)
        if not isinstance(found, Hit) and (falling := self._fallbacks.of(question, payer.caller)) is not None:
            found = await self._fall(found, falling, payer)
        match found:
            case Hit():
                observed.model = found.question.listed
                return self._hit(request, found, observed)
            case Full():
                raise found.error
            case Asked():
                return await self._passing.answer(request, found, observed, payer.caller)

    async def _seek(self, question: Question, payer: Payer, tried: Sequence[Asked | Full] = ()) -> Hit | Asked | Full:
        """Looks the question up, and asks upstream for what is missing of it, but takes none of the answers that were
        `tried`.
        """
        now, similarity = self._clock(), None
        known = self._in_memory(question, now) or await self._look_up(question, now)
        if known.missing and self._meaning is not None:
            question, known, similarity = await self._by_meaning(self._meaning, question, known)
        if not known.missing:
            return Hit(question, known)
        if question.ask.control.only_if_cached:
            raise RequestError(504, "Nothing is cached for this request, and only-if-cached was asked.", "not_cached")
        if other := self._flights.other_form(question, known.missing):
            await other.recording.over()
            if (now_known := self._in_memory(question, self._clock())) is not None:
                return Hit(question, now_known)
        try:
            flight, joined = await self._flight(question, known, payer, tried)
        except RequestError as full:
            return Full(question, full)
        asked = Asked(question, known, flight, flight.recording.join(), joined, similarity)
        if not joined or flight.question.ask.model == question.ask.model:
            return asked
        found = None
        try:
            if await failed(asked) is None:
                found = asked
        finally:
            if found is None:
                asked.reading.leave()
        # another model's failure is none of this one
        return found or await self._seek(question, payer, [*tried, asked])

    async def _flight(
        self, question: Question, known: Plan, payer: Payer, tried: Sequence[Asked | Full]
    ) -> tuple[Flight, bool]:
        """Where models share their answers, the one under way may be the failed one of another model."""
        flight, joined = self._flights.join_or_start(question, known.missing, payer)
        while any(isinstance(one, Asked) and flight is one.flight for one in tried):
            await flight.recording.over()
            flight, joined = self._flights.join_or_start(question, known.missing, payer)
        return flight, joined

    async def _fall(self, first: Asked | Full, falling: Falling, payer: Payer) -> Hit | Asked | Full:
        """What answers in the place of a group that failed; the first answer itself where it is one, or nothing better
        comes.
        """
        patience = asked_patience(first.question.ask.body)
        if patience is not None:  # it is for all models together
            payer = replace(payer, ends=self._clock() + patience)
        tried: list[Asked | Full] = [first]
        kept: Reading | None = None
        try:
            found = await self._ask_on(tried, falling, payer)
            kept = found.reading if isinstance(found, Asked) else None
            return found
        finally:
            for one in tried:
                if isinstance(one, Asked) and one.reading is not kept:
                    one.reading.leave()

    async def _ask_on(self, tried: list[Asked | Full], falling: Falling, payer: Payer) -> Hit | Asked | Full:
        """Each is a question of its own, with its own key: what comes is kept under what was really asked."""
        while (kind := await failed(tried[-1])) is not None:
            question = falling.after(tried[-1].question, kind)
            if payer.ends is not None and self._clock() >= payer.ends:
                question = None
            onward = None
            while question is not None and (onward := await self._limiter.onward(payer, question.ask.model)) is None:
                question = falling.another()
            if question is None or onward is None:
                return _after(tried[0], len(tried) - 1)
            found = await self._seek(question, onward, tried)
            if isinstance(found, Hit):
                falling.ended(Outcome.HIT)
                return found
            tried.append(_after(found, len(tried)))
        if len(tried) > 1:
            falling.ended(Outcome.ANSWERED)
        return tried[-1]

    async def _question(self, request: web.BaseRequest, named: str | None, caller: Caller) -> Question:
        if self._endpoint.multipart:
            return self._placed(await read_ask(request, self._endpoint, None, named, caller), caller)
        data = await read_body(request)
        mark = (data, (named, caller.imprint, *spoken(request.headers)))
        known = self._remembered.get(mark)
        if known is None:
            known = self._placed(await read_ask(request, self._endpoint, data, named, caller), caller)
            self._remembered.put(mark, len(data), known)
        return known

    def _placed(self, ask: Ask, caller: Caller) -> Question:
        caller.require(ask.model)  # before anything tells whether there is such a model
        return self._placing.place(ask, caller)

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

    def _hit(self, request: web.BaseRequest, hit: Hit, observed: Observed) -> web.StreamResponse:
        question, found = hit.question, [one for one in hit.known.found if one is not None]
        now = self._clock()
        reply = from_entries(self._endpoint, question.ask.body, question.form(), found, now)
        if self._meaning is not None:
            reply = reply._replace(similarity=EXACT if found[0].similarity is None else found[0].similarity)
        observed.hit(found)
        return respond.hit(request, reply, self._dates, now)


def _after(found: Asked | Full, fallbacks: int) -> Asked | Full:
    return found._replace(fallbacks=fallbacks) if isinstance(found, Asked) else found
