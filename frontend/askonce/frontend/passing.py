"""Handing an upstream answer to a client: as it comes, or whole, or made up from found and fresh parts.

Streams and bytes (sound, say) are passed on as they come: their head can only say what is meant to be kept. JSON and
text wait for their end, so that their head says what was kept.
"""

from collections.abc import AsyncIterator

from aiohttp import web

from askonce.calls.endpoint import Answer, Endpoint, Malformed
from askonce.core.entry import JSON, SSE
from askonce.core.errors import UpstreamUnavailable
from askonce.core.policy import Plan, Rules, SkipReason, Why, lifetime
from askonce.core.sse import SseParser
from askonce.frontend import respond
from askonce.frontend.flights import Flight
from askonce.frontend.observe import Observed, Result
from askonce.frontend.question import Question
from askonce.frontend.recording import Head, Reading
from askonce.frontend.reply import SIMILARITY, as_answer, miss_status, similarity_text


class Passing:
    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def answer(
        self,
        request: web.BaseRequest,
        question: Question,
        known: Plan,
        flight: Flight,
        observed: Observed,
        *,
        joined: bool,
    ) -> web.StreamResponse:
        """The client's answer out of the flight's. Raises UpstreamError when none came."""
        observed.missed(known, consulted=question.allowed.read, joined=joined)
        ttl = lifetime(self._rules, flight.question.ask.control)
        status = _Status(ttl, question, known, joined=joined, similarity=observed.similarity)
        observed.status = status.text(stored=False)
        reading = flight.recording.join()
        try:
            head = await flight.recording.head()
            if head.status >= 400:
                observed.result = Result.ERROR
            if head.media_type == SSE or (_is_bytes(head) and not status.partial):
                skipped = _foreseen(head, flight.recording.limit)
                ours = status.headers(stored=status.promised and skipped is None, skipped=skipped)
                chunks = _stream(reading, question, flight) if head.media_type == SSE else reading.chunks()
                return await self._pass_on(request, head, ours, chunks, observed)
            if status.partial:  # a part of an answer is none, however large it is, and whether it is kept or not
                held, ended = [chunk async for chunk in reading.chunks()], True
            else:
                held, ended = await reading.rest_or_overflow()
            if not ended:
                ours = status.headers(stored=False, skipped=SkipReason.TOO_LARGE)
                return await self._pass_on(request, head, ours, _resumed(held, reading), observed)
            return self._whole(question, known, flight, head, b"".join(held), status)
        finally:
            reading.leave()

    def _whole(
        self, question: Question, known: Plan, flight: Flight, head: Head, payload: bytes, status: "_Status"
    ) -> web.Response:
        headers = [*head.headers, *status.headers(stored=flight.skipped is None, skipped=flight.skipped)]
        if head.status == 200 and len(known.missing) < len(known.found):
            payload = _completed(question, known, flight, head, payload)
        return web.Response(status=head.status, body=payload, headers=headers)

    async def _pass_on(
        self,
        request: web.BaseRequest,
        head: Head,
        ours: list[tuple[str, str]],
        chunks: AsyncIterator[bytes],
        observed: Observed,
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=head.status, headers=[*head.headers, *ours])
        if head.length is not None and head.media_type != SSE:
            response.content_length = head.length
        if not await respond.pass_on(request, response, chunks):
            observed.result = Result.ERROR
        return response


class _Status:
    """What the cache says about one answer from upstream. `promised`: it will be kept if it is complete; `partial`:
    it is asked for a part of what the client wants.
    """

    def __init__(
        self, ttl: float | None, question: Question, known: Plan, *, joined: bool, similarity: float | None
    ) -> None:
        self._ttl = ttl  # the leader's counts
        self._question = question
        self._joined = joined
        self.partial = len(known.missing) < len(known.found)
        self.promised = question.allowed.write
        self._alike = [] if similarity is None else [(SIMILARITY, similarity_text(similarity))]

    def headers(self, *, stored: bool, skipped: SkipReason | Why | None = None) -> list[tuple[str, str]]:
        return [("Cache-Status", self.text(stored=stored, skipped=skipped)), *self._alike]

    def text(self, *, stored: bool, skipped: SkipReason | Why | None = None) -> str:
        allowed = self._question.allowed
        fwd = "partial" if self.partial else "miss" if allowed.read else "request" if allowed.write else "bypass"
        detail = allowed.why or skipped or ""
        return miss_status(
            fwd=fwd, key=self._question.key, stored=stored, collapsed=self._joined, ttl=self._ttl, detail=detail
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


def _completed(question: Question, known: Plan, flight: Flight, head: Head, payload: bytes) -> bytes:
    """The fresh parts put in among those that were found."""
    endpoint = question.ask.endpoint
    try:
        fresh = iter(endpoint.answers(flight.body, payload, head.media_type))
        parts: list[Answer] = [next(fresh) if one is None else as_answer(one.entry) for one in known.found]
    except (Malformed, StopIteration):
        raise UpstreamUnavailable("the provider's answer does not fit what it was asked") from None
    return endpoint.combine(question.ask.body, parts)[0]


async def _resumed(held: list[bytes], reading: Reading) -> AsyncIterator[bytes]:
    for chunk in held:
        yield chunk
    async for chunk in reading.chunks():
        yield chunk


def _stream(reading: Reading, question: Question, flight: Flight) -> AsyncIterator[bytes]:
    """The provider's bytes as they come, less the usage event where we asked for it and the client did not."""
    if question.wants_usage or not flight.question.allowed.write:
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
