"""An ask, placed: who may answer it, who shares the answer, under which keys, and what the cache may do."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from askonce.calls.compared import beyond_words
from askonce.calls.endpoint import Body
from askonce.core.entry import Lookup
from askonce.core.policy import UNREPEATABLE, Permit, Rules, permit
from askonce.frontend.access.caller import Caller
from askonce.frontend.ask import Ask
from askonce.frontend.auth import Credential, Gate, credential
from askonce.frontend.deployments import Deployments, Route
from askonce.frontend.keys import Keys
from askonce.frontend.upstream import forwarded_headers


class Question(NamedTuple):
    """`lookups` has one for each part of the ask. `credential` is the client's own, or None where it stays here;
    `tenant` is who shares the answer, "" being everybody.
    """

    ask: Ask
    route: Route
    credential: Credential | None
    lookups: list[Lookup]
    allowed: Permit
    tenant: str

    @property
    def key(self) -> str:
        """The first part's key: what the headers name."""
        return str(self.lookups[0].key)

    @property
    def listed(self) -> str:
        """What `model_list` calls the model: no client's own word."""
        return self.route.targets[0].deployment.pattern

    def body_for(self, missing: list[int]) -> Body:
        """What is asked upstream: the missing parts, and, of a stream, its usage: kept or not, it counts."""
        ask = self.ask
        whole = len(missing) == len(self.lookups)
        body = ask.body if whole else ask.endpoint.narrow(ask.body, missing)
        return ask.endpoint.with_usage(body) if ask.streamed else body

    def form(self) -> str:
        """Which rendering of an entry answers this ask."""
        if not self.ask.streamed:
            return "plain"
        return "stream+usage" if self.wants_usage else "stream"

    @property
    def wants_usage(self) -> bool:
        """Whether the client itself asked for all that a kept stream holds."""
        return self.ask.endpoint.with_usage(self.ask.body) is self.ask.body


@dataclass(frozen=True, slots=True)
class Placing:
    """Makes a Question of an Ask."""

    deployments: Deployments
    gate: Gate
    keys: Keys
    rules: Rules

    def place(self, ask: Ask, caller: Caller) -> Question:
        """Raises RequestError for a model that cannot be asked."""
        route = self.deployments.route(ask.model, ask.endpoint.path)
        own_credential = self._own_credential(route)
        forwarded, tenant = self._sharing(ask, route, caller)
        lookups = self.keys.lookups(ask, route, forwarded, tenant, ask.endpoint.parts(ask.body))
        allowed = permit(self.rules, ask.endpoint.name, ask.control)
        if (allowed.read or allowed.write) and not ask.endpoint.repeatable(ask.body):
            allowed = UNREPEATABLE
        shown = credential(ask.headers) if own_credential else None
        return Question(ask, route, shown, lookups, allowed, tenant)

    def in_scope(self, question: Question, longest: int) -> Lookup | None:
        """The question's lookup with its scope and its text, where it may be matched by meaning: None where only the
        exact key may answer, or where the text has more than `longest` characters.
        """
        ask, route = question.ask, question.route
        compared = ask.endpoint.compared(ask.body)
        if any(beyond_words(target.deployment.defaults) for target in route.targets):
            return None
        if compared is None or len(compared.text) > longest:
            return None
        forwarded = forwarded_headers(ask, own_credential=self._own_credential(route))
        scope = self.keys.scope(ask, route, forwarded, question.tenant, compared.rest)
        return replace(question.lookups[0], scope=scope, text=compared.text)

    def _own_credential(self, route: Route) -> bool:
        return not route.shared_key and not self.gate.closed

    def _sharing(self, ask: Ask, route: Route, caller: Caller) -> tuple[dict[str, str], str]:
        """The headers that go upstream, and who shares the answer."""
        own_credential = self._own_credential(route)
        forwarded = forwarded_headers(ask, own_credential=own_credential)
        return forwarded, self.gate.tenant(ask.headers, caller, own_credential=own_credential)
