"""Questions matched by meaning, once their exact key found nothing: embed, search the scope, let the guard look, serve.

It never fails: whatever cannot be done is a miss, told by a reason.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from askonce.config.settings import Settings
from askonce.core.entry import Entry, Found, Lookup
from askonce.core.errors import StoreUnavailable
from askonce.core.key import CacheKey
from askonce.core.policy import plan
from askonce.frontend.embedding import Embedding
from askonce.frontend.question import Placing, Question
from askonce.semantic.doubts import Doubt
from askonce.semantic.guard import doubt
from askonce.semantic.rules import Rules
from askonce.stores.guards import GuardedMatcher
from askonce.stores.memory import MemoryStore
from askonce.telemetry.metrics import Metrics

SOURCE: Final = "semantic"
EXACT: Final = 1.0  # how alike a question is to itself
_CANDIDATES: Final = 4  # the guard may refuse the nearest, and the next may be a better answer


class Sought(StrEnum):
    """How a search by meaning ended. `far`: the nearest is below the threshold; `refused`: the guard doubts it;
    `unfit`: it may not be served to this request (too old, deleted, or kept as a stream only).
    """

    HIT = "hit"
    NOTHING = "nothing"
    FAR = "far"
    REFUSED = "refused"
    UNFIT = "unfit"
    NO_VECTOR = "no-vector"
    STORE = "store-unavailable"
    EXACT_ONLY = "exact-only"


class Match(NamedTuple):
    """`similarity` is that of the nearest question, 0.0 where there was none, and None where nothing was searched."""

    found: Found | None
    similarity: float | None


class Meaning:
    def __init__(  # noqa: PLR0913 - the composition root hands down what matching touches
        self,
        *,
        placing: Placing,
        embedding: Embedding,
        matcher: GuardedMatcher,
        memory: MemoryStore,
        rules: Rules,
        settings: Settings,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        if settings.cache.semantic is None:
            raise ValueError("no settings for matching by meaning")
        self._placing = placing
        self._embedding = embedding
        self._matcher = matcher
        self._memory = memory
        self._rules = rules
        self._threshold = settings.cache.semantic.threshold
        self._longest = settings.proxy.semantic_max_chars
        self._clock = clock
        self._searches = {how: metrics.counter("askonce_semantic_searches_total", how) for how in Sought}
        self._refused = {why: metrics.counter("askonce_semantic_refused_total", why) for why in Doubt}

    async def understand(self, question: Question) -> Lookup:
        """The lookup of a question of one part whose exact key found nothing, with its scope, its text and, where it
        may be searched for, its vector. Where it may not be read its answer will all the same be kept for others.
        """
        lookup = self._placing.in_scope(question, self._longest)
        if lookup is None:
            self._searches[Sought.EXACT_ONLY].inc()
            return question.lookups[0]
        if not question.allowed.read:
            return lookup
        if self._matcher.ailing:
            self._searches[Sought.STORE].inc()
            return lookup
        vector = await self._embedding.vector(lookup.text)
        if vector is None:
            self._searches[Sought.NO_VECTOR].inc()
        return Lookup(lookup.key, lookup.scope, lookup.text, vector)

    async def search(self, question: Question, lookup: Lookup) -> Match:
        """What may answer the question instead; nothing for a lookup without a vector."""
        if lookup.vector is None:
            return Match(None, None)
        token = self._memory.begin()
        threshold = max(self._threshold, question.ask.control.similarity)
        try:
            found = await self._matcher.nearest(lookup, _CANDIDATES, threshold, self._in_memory)
        except StoreUnavailable:
            return self._ended(Sought.STORE, Match(None, None))
        candidates = [one for one in found if not self._memory.flushed(one.entry)]
        near = [one for one in candidates if _alike(one) >= threshold]
        if not near:
            nearest = max(map(_alike, candidates), default=0.0)
            return self._ended(Sought.FAR if candidates else Sought.NOTHING, Match(None, nearest))
        return self._choose(question, lookup, near, token)

    def _in_memory(self, key: CacheKey) -> Entry | None:
        """Of an entry that the store's vectors lead to: it has been seen there just now."""
        held = self._memory.peek(key, self._clock())
        return None if held is None else held.entry

    def _choose(self, question: Question, lookup: Lookup, near: Sequence[Found], token: int) -> Match:
        """The first, best first, that the guard does not doubt and that suits the request."""
        ended = Sought.UNFIT
        for one in near:
            why = doubt(lookup.text, one.entry.lookup.text, self._rules, _alike(one))
            if why is not None:
                self._refused[why].inc()
                ended = Sought.REFUSED
                continue
            found = self._serving(question, one, token)
            if found is not None:
                return self._ended(Sought.HIT, Match(found, _alike(one)))
            ended = Sought.UNFIT
        return self._ended(ended, Match(None, _alike(near[0])))

    def _serving(self, question: Question, candidate: Found, token: int) -> Found | None:
        """The candidate as it may be served: not deleted since the search began, and as the request asks for it."""
        now = self._clock()
        kept = self._memory.fill(candidate, token, now)
        if kept is None:
            return None
        found = Found(kept.entry, SOURCE, candidate.similarity, kept.forms)
        return plan([found], question.ask.control, now=now, streamed=question.ask.streamed).found[0]

    def _ended(self, how: Sought, match: Match) -> Match:
        self._searches[how].inc()
        return match


def _alike(found: Found) -> float:
    return found.similarity or 0.0
