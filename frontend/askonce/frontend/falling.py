"""Who is asked in the place of a model whose whole group failed. Knows names and failures, and asks nobody.

Source of the names' order and of the words of failures: LiteLLM's pages on fallbacks, and what the providers' APIs say.
What differs: docs/decisions/0068 and 0069.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

import orjson

from askonce.calls.endpoint import Body
from askonce.config.names import Names
from askonce.config.patterns import STAR, by_meaning, stars
from askonce.config.policies import RoutingSettings
from askonce.core.errors import RequestError
from askonce.frontend.access.caller import Caller
from askonce.frontend.question import Placing, Question
from askonce.telemetry.metrics import Metrics

_OPERATORS: Final = frozenset({401, 403, 404})  # the trouble of who gave the deployment its key and its model
_OF_THE_GROUP: Final = frozenset({408, 429})
_TOO_LONG: Final = re.compile(
    r"context_(length|window)_exceeded|context (length|window|size) (is )?exceeded|maximum context (length|limit)"
    r"|exceeds? (the )?(available )?context|longer than the model'?s context|(prompt|input) is too long|input too long"
    r"|too large for model with \d+ maximum context|maximum number of tokens allowed|too many tokens: .* limit"
    r"|input tokens exceed|maximum input length is .* tokens|reduce the length of the messages"
    r"|current length is \d+ while limit is|`inputs` tokens \+ `max_new_tokens`"
)
_NOT_TOO_LONG: Final = "string_above_max_length"  # of a member that is no prompt
_AGAINST_POLICY: Final = re.compile(
    r"content_policy_violation|content_filter|responsibleaipolicyviolation|content management policy"
    r"|result of (our|the) safety system|blocked by .*(content|safety) (filter|policy)"
)


class Kind(StrEnum):
    """Why a group's answer is none."""

    CONTEXT = "context"
    POLICY = "policy"
    GROUP = "group"
    CLIENT = "client"  # the request's own fault: no other model is asked for it


class Outcome(StrEnum):
    """How the asking of a fallback ended."""

    HIT = "hit"
    ANSWERED = "answered"
    FAILED = "failed"


def kind_of(status: int, said: bytes, *, own_key: bool) -> Kind:
    """Of an answer whose status is 400 or above, `said` being how its body begins. `own_key`: the deployment was asked
    with a key of its own, not with the client's.
    """
    if status >= 500 or status in _OF_THE_GROUP or (own_key and status in _OPERATORS):
        return Kind.GROUP
    if status != 400:
        return Kind.CLIENT
    words = _words(said)
    if _TOO_LONG.search(words) and _NOT_TOO_LONG not in words:
        return Kind.CONTEXT
    return Kind.POLICY if _AGAINST_POLICY.search(words) else Kind.CLIENT


def _words(said: bytes) -> str:
    """What an error says of itself, in lower case: what it repeats of the prompt must not count where that can be told
    apart.
    """
    try:
        error = orjson.loads(said)
    except orjson.JSONDecodeError:
        return said.decode(errors="replace").lower()
    if isinstance(error, dict) and isinstance(error.get("error"), dict | str):
        error = error["error"]
    if not isinstance(error, dict):
        return str(error).lower()
    told = [error, error.get("innererror"), error.get("inner_error")]
    members = [one.get(name) for one in told if isinstance(one, dict) for name in ("code", "type", "message", "detail")]
    return "\n".join(one for one in members if isinstance(one, str)).lower()


class _Rows:
    """Names that follow a name: those of the name itself, or of the pattern that fits it and says the most."""

    def __init__(self, rows: Mapping[str, tuple[str, ...]]) -> None:
        self._rows = rows
        self._patterns = by_meaning(name for name in rows if STAR in name)

    def __bool__(self) -> bool:
        return bool(self._rows)

    def of(self, *names: str) -> tuple[str, ...] | None:
        for name in names:
            if name in self._rows:
                return self._rows[name]
        fitting = (one for one in self._patterns if any(stars(one, name) is not None for name in names))
        found = next(fitting, None)
        return None if found is None else self._rows[found]


class Fallbacks:
    """The configured names, by the one that failed."""

    def __init__(self, settings: RoutingSettings, placing: Placing, metrics: Metrics) -> None:
        self._rows = {
            Kind.GROUP: _Rows(settings.fallbacks),
            Kind.CONTEXT: _Rows(settings.context_window_fallbacks),
            Kind.POLICY: _Rows(settings.content_policy_fallbacks),
        }
        self._default = settings.default_fallbacks
        self._most = settings.max_fallbacks
        self._any = bool(self._default) or any(self._rows.values())
        self._placing = placing
        self._metrics = metrics

    @property
    def names(self) -> Names:
        return self._placing.deployments.by_name

    def after(self, model: str, kind: Kind) -> tuple[str, ...]:
        """The names that follow. Where no table is there for the kind, that of all failures counts, as in LiteLLM."""
        if kind is Kind.CLIENT:
            return ()
        names, rows = (model, self.names.meant(model)), self._rows[kind] or self._rows[Kind.GROUP]
        found = rows.of(*names)
        if found is None:
            return self._default if rows is self._rows[Kind.GROUP] else ()
        return found

    def of(self, question: Question, caller: Caller) -> "Falling | None":
        """None where nothing can follow: nothing is named, or the provider keeps what it answers, and no other account
        would know it.
        """
        instead = question.ask.instead
        if (not self._any if instead is None else not instead) or self._most < 1:
            return None
        if question.ask.endpoint.kept_upstream(question.ask.body):
            return None
        return Falling(self, self._placing, question, caller, self._most)

    def count(self, call_type: str, outcome: Outcome) -> None:
        self._metrics.counter("askonce_fallbacks_total", call_type, outcome).inc()


class Falling:
    """What follows one client's question. Names come in the order in which they are found: those that follow the asked
    model, then those that follow the first of them, and so on; none twice.
    """

    def __init__(self, fallbacks: Fallbacks, placing: Placing, first: Question, caller: Caller, most: int) -> None:
        self._fallbacks = fallbacks
        self._placing = placing
        self._first = first
        self._caller = caller
        self._left = most
        self._begun = False
        self._waiting: deque[Body] = deque()
        self._seen = {fallbacks.names.meant(first.ask.model)}

    def after(self, question: Question, kind: Kind) -> Question | None:
        """The next to be asked, now that this question failed, the first one first; None where none is left."""
        ours = self._first.ask.instead
        if self._begun:
            self.ended(Outcome.FAILED)
        elif kind is Kind.CLIENT:
            return None
        elif ours is not None:
            self._wait(ours)
        self._begun = True
        if ours is None:
            self._wait({"model": name} for name in self._fallbacks.after(question.ask.model, kind))
        return self.another()

    def ended(self, outcome: Outcome) -> None:
        self._fallbacks.count(self._first.ask.endpoint.name, outcome)

    def _wait(self, following: Iterable[Body]) -> None:
        for one in following:
            meant = self._fallbacks.names.meant(one["model"])
            if meant not in self._seen:
                self._seen.add(meant)
                self._waiting.append(one)

    def another(self) -> Question | None:
        """The first that can be asked at all, and that this caller may ask; the others are passed over. It is the next
        one where the one before is not asked after all.
        """
        while self._waiting and self._left:
            try:
                question = self._placed(self._waiting.popleft())
            except RequestError:
                continue
            self._left -= 1
            return question
        return None

    def _placed(self, other: dict[str, Any]) -> Question:
        ask = self._first.ask
        body = {**ask.body, **other}
        self._caller.require(other["model"])
        ask.endpoint.check(body)
        return self._placing.place(ask._replace(body=body, model=other["model"]), self._caller)
