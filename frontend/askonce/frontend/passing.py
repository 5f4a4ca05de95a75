"""Handing an upstream answer to a client: as it comes, or whole, or made up from found and fresh parts.

Streams and bytes (sound, say) are passed on as they come: their head can only say what is meant to be kept. JSON and
text wait for their end, so that their head says what was kept.
"""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from aiohttp import web

from askonce.calls.endpoint import Answer, Endpoint, Malformed
from askonce.core.entry import JSON, SSE
from askonce.core.errors import RequestError, UpstreamError, UpstreamUnavailable
from askonce.core.policy import Plan, Rules, SkipReason, Why, lifetime
from askonce.core.sse import SseParser
from askonce.frontend import respond, telling
from askonce.frontend.access.caller import Caller
from askonce.frontend.accounts.ledger import Ledger
from askonce.frontend.falling import Kind, kind_of
from askonce.frontend.flights import Flight
from askonce.frontend.observe import Observed, Result
from askonce.frontend.question import Question
from askonce.frontend.recording import Head, Reading
from askonce.frontend.reply import SIMILARITY, as_answer, miss_status, similarity_text

_SMALL: Final = 1 << 20  # bytes of an answer that is not kept, and waited for nevertheless
_TOLD: Final = 64 * 1024  # bytes of an error that are looked at for what it is


class Asked(NamedTuple):
    """An answer on its way: to the `question` that was asked, of which `known` is what was found. `reading` is a place
    in the answer of `flight`, from its start: leave it. `similarity` is that of the nearest question, where something
    alike was looked for; `fallbacks` are the questions under other names that were asked so far.
    """

    question: Question
    known: Plan
    flight: Flight
    reading: Reading
    joined: bool
    similarity: float | None = None
    fallbacks: int = 0


class Full(NamedTuple):
    """No answer will come: every deployment of the model is at its limit. `error` tells the client."""

    question: Question
    error: RequestError


async def failed(asked: Asked | Full) -> Kind | None:
    """Why this is no answer, told before anything of it is passed on; None where it is one, or a stream of one has
    begun.
    """
    if isinstance(asked, Full):
        return Kind.GROUP
    flight, probe = asked.flight, asked.flight.recording.join()
    try:
        head = await flight.recording.head()
        if head.status >= 400:
            said = await _beginning(probe) if head.status == 400 else b""
            return kind_of(head.status, said, own_key=flight.target.deployment.api_key is not None)
        if head.media_type != SSE and not _is_bytes(head):
            await probe.rest_or_overflow()
    except UpstreamError:
        return Kind.GROUP
    finally:
        probe.leave()
    return None


class Passing:
    """`ledger` is None where nobody's spending is known."""

    def __init__(self, rules: Rules, ledger: Ledger | None = None) -> None:
        self._rules = rules
        self._ledger = ledger

    async def answer(
        self, request: web.BaseRequest, asked: Asked, observed: Observed, caller: Caller
    ) -> web.StreamResponse:
        """The client's answer out of the flight's. Raises UpstreamError when none came. Leaves the reading."""
        question, known, flight, reading = asked.question, asked.known, asked.flight, asked.reading
        observed.model = question.listed
        observed.missed(known, consulted=question.allowed.read, joined=asked.joined)
        status = _Status(asked, lifetime(self._rules, flight.question.ask.control), caller, self._ledger)
        observed.status = status.text(stored=False)
        try:
            head = await flight.recording.head()
            if head.status >= 400:
                observed.result = Result.ERROR
            if head.media_type == SSE or (_is_bytes(head) and not status.partial):
                skipped = _foreseen(head, flight.recording.limit)
                ours = status.headers(stored=status.promised and skipped is None, skipped=skipped)
                chunks = _stream(reading, question) if head.media_type == SSE else reading.chunks()
                return await self._pass_on(request, head, ours, chunks, observed)
            if status.partial:  # a part of an answer is none, however large it is, and whether it is kept or not
                held, ended = [chunk async for chunk in reading.chunks()], True
            else:
                held, ended = await reading.rest_or_overflow()
                ended = ended or await _ends_soon(held, reading)
            if not ended:
                ours = status.headers(stored=False, skipped=SkipReason.TOO_LARGE)
                return await self._pass_on(request, head, ours, _resumed(held, reading), observed)
            return self._whole(asked, head, b"".join(held), status)
        finally:
            reading.leave()

    def _whole(self, asked: Asked, head: Head, payload: bytes, status: "_Status") -> web.Response:
        flight = asked.flight
        ours = status.headers(stored=flight.skipped is None, skipped=flight.skipped)
        cost = telling.cost(0.0 if asked.joined and flight.cost is not None else flight.cost)
        headers = [*telling.without_ours(head.headers), *ours, *cost]
        if head.status == 200 and status.partial:
            payload = _completed(asked, head, payload)
        return web.Response(status=head.status, body=payload, headers=headers)

    async def _pass_on(
        self,
        request: web.BaseRequest,
        head: Head,
        ours: list[tuple[str, str]],
        chunks: AsyncIterator[bytes],
        observed: Observed,
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=head.status, headers=[*telling.without_ours(head.headers), *ours])
        if head.length is not None and head.media_type != SSE:
            response.content_length = head.length
        if not await respond.pass_on(request, response, chunks):
            observed.result = Result.ERROR
        return response


class _Status:
    """What the cache says about one answer from upstream. `promised`: it will be kept if it is complete; `partial`:
    it is asked for a part of what the client wants.
    """

    def __init__(self, asked: Asked, ttl: float | None, caller: Caller, ledger: Ledger | None) -> None:
        self._ttl = ttl  # the leader's counts
        self._asked = asked
        self._caller = caller
        self._ledger = ledger
        self.partial = len(asked.known.missing) < len(asked.known.found)
        self.promised = asked.question.allowed.write

    def headers(self, *, stored: bool, skipped: SkipReason | Why | None = None) -> list[tuple[str, str]]:
        asked, alike = self._asked, self._asked.similarity
        return [
            ("Cache-Status", self.text(stored=stored, skipped=skipped)),
            *([] if alike is None else [(SIMILARITY, similarity_text(alike))]),
            # Where models share their answers, who is joined may have asked another.
            *telling.tries(asked.flight.question.ask.model, fallbacks=asked.fallbacks, retries=asked.flight.retries),
            *telling.of_key(self._caller),
            *telling.spend(self._spent()),
        ]

    def _spent(self) -> int | None:
        caller, ledger = self._caller, self._ledger
        return ledger.spent(caller.accounts[0]) if caller.name and ledger is not None else None

    def text(self, *, stored: bool, skipped: SkipReason | Why | None = None) -> str:
        question = self._asked.question
        allowed = question.allowed
        fwd = "partial" if self.partial else "miss" if allowed.read else "request" if allowed.write else "bypass"
        detail = allowed.why or skipped or ("fallback" if self._asked.fallbacks else "")
        return miss_status(
            fwd=fwd, key=question.key, stored=stored, collapsed=self._asked.joined, ttl=self._ttl, detail=detail
        )


def _is_bytes(head: Head) -> bool:
    """Whether it is an answer that clients take as it comes. What is no answer is short, and told whole."""
    kind = head.media_type
    return head.status == 200 and kind != JSON and not kind.endswith("+json") and not kind.startswith("text/")


def _foreseen(head: Head, limit: int) -> SkipReason | None:
    """Why an answer will not be kept, as far as its head tells."""
    if head.status != 200:
        return SkipReason.STATUS
    if head.length == 0:
        return SkipReason.EMPTY
    if head.length is not None and head.length > limit:
        return SkipReason.TOO_LARGE
    return None if head.framed or head.media_type == SSE else SkipReason.INCOMPLETE


def _completed(asked: Asked, head: Head, payload: bytes) -> bytes:
    """The fresh parts put in among those that were found."""
    question, endpoint = asked.question, asked.question.ask.endpoint
    try:
        fresh = iter(endpoint.answers(asked.flight.body, payload, head.media_type))
        parts: list[Answer] = [next(fresh) if one is None else as_answer(one.entry) for one in asked.known.found]
    except (Malformed, StopIteration):
        raise UpstreamUnavailable("the provider's answer does not fit what it was asked") from None
    return endpoint.combine(question.ask.body, parts)[0]


async def _beginning(reading: Reading) -> bytes:
    held = b""
    async for chunk in reading.chunks():
        held += chunk
        if len(held) >= _TOLD:
            break
    return held


async def _ends_soon(held: list[bytes], reading: Reading) -> bool:
    """Takes the rest of a small answer too that is held for nobody else: its cost is told in its head."""
    size = sum(map(len, held))
    if size <= _SMALL:
        async for chunk in reading.chunks():
            held.append(chunk)
            size += len(chunk)
            if size > _SMALL:
                break
        else:
            return True
    return False


async def _resumed(held: list[bytes], reading: Reading) -> AsyncIterator[bytes]:
    for chunk in held:
        yield chunk
    async for chunk in reading.chunks():
        yield chunk


def _stream(reading: Reading, question: Question) -> AsyncIterator[bytes]:
    """The provider's bytes as they come, less the usage event where we asked for it and the client did not."""
    if question.wants_usage:
        return reading.chunks()
    return _without_usage(reading, question.ask.endpoint)


async def _without_usage(reading: Reading, endpoint: Endpoint) -> AsyncIterator[bytes]:
    parser = SseParser()
    async for chunk in reading.chunks():
        wanted = b"".join(event.raw for event in parser.feed(chunk) if not endpoint.only_usage(event.data))
        if wanted:
            yield wanted
    if parser.rest:
        yield parser.rest
