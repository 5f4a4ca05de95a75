"""Which deployments answer for a model's name. Knows the model list, and nothing of requests."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

import orjson

from askonce.config.names import Names
from askonce.config.patterns import STAR, filled
from askonce.config.policies import Alias
from askonce.config.settings import Deployment, Settings
from askonce.core.errors import RequestError, bad_request
from askonce.core.key import Json
from askonce.frontend.dialects import unserved
from askonce.frontend.paths import astray
from askonce.frontend.routing.ids import labels, with_ids

_REMEMBERED = 1024  # names that clients made up under a wildcard; more are worked out again each time
_LONGEST = 256  # characters of such a name and its path


@dataclass(frozen=True, slots=True)
class Target:
    """A deployment, and what the model is called there. `id` is the deployment's on every frontend, `label` in metrics;
    both are "" for what is asked outside of any group.
    """

    deployment: Deployment
    model: str
    id: str = ""
    label: str = ""


@dataclass(slots=True)
class Route:
    """All that may answer for one name. `identity` is their part of every key."""

    targets: tuple[Target, ...]
    identity: list[Json]
    shared_key: bool  # every target has a key of its own: no client's credential goes upstream
    _turn: "cycle[Target]" = field(repr=False)

    def next(self) -> Target:
        """By turns, for who has no group's business in mind: see `routing` for requests of clients."""
        return next(self._turn)

    @property
    def first(self) -> Target:
        """Whose turn it is for what a provider keeps, and is asked about later."""
        return self.targets[0]


class Deployments:
    """`entries` are all of them, in the file's order; `by_name` tells who of them answers to a name."""

    def __init__(self, deployments: Sequence[Deployment], aliases: Sequence[Alias] = ()) -> None:
        self.entries: Final = tuple(deployments)
        self.by_name: Final = Names(deployments, aliases)
        called = zip(with_ids(self.entries), labels(self.entries), strict=True)
        self._called = {id(one): (known, label) for (known, one), label in called}
        self._shown = [alias.name for alias in aliases if not alias.hidden]
        self._routes: OrderedDict[tuple[str, str], Route] = OrderedDict()

    @property
    def names(self) -> list[str]:
        """The models that have a name of their own and can be served, in the file's order, then those of the aliases
        that lead to one that can be served and are not hidden.
        """
        own = [one.pattern for one in self.entries if STAR not in one.pattern]
        return [name for name in dict.fromkeys([*own, *self._shown]) if self.servable(name)]

    @property
    def targets(self) -> list[Target]:
        """Every entry, in the file's order, with the model as it stands there."""
        return [Target(one, one.model, *self._called[id(one)]) for one in self.entries]

    def servable(self, name: str) -> bool:
        """Whether one of those that answer to the name can be asked, on whatever route."""
        return self.by_name.served(name)

    def route(self, model: str, path: str) -> Route:
        """Who answers for the model on the route that is at `path` below a provider's base.

        Raises RequestError: 404 for a name that nothing answers to, 400 where only deployments do that cannot serve
        it, or for a name that is no text.
        """
        known = self._routes.get((model, path))
        if known is not None:
            return known
        route = self._work_out(model, path)
        if len(model) + len(path) > _LONGEST:
            return route
        self._routes[model, path] = route
        if len(self._routes) > _REMEMBERED:
            self._routes.popitem(last=False)
        return route

    def _work_out(self, model: str, path: str) -> Route:
        try:
            model.encode()
        except UnicodeEncodeError:  # a form may be in a charset that spells half of a surrogate pair
            raise bad_request("The model's name is not text.", "model") from None
        name, found = self.by_name.meant(model), self.by_name.answering(model)
        if not found:
            raise unknown(model)
        usable = [one for one in found if unserved(one, path) is None]
        if not usable:
            raise bad_request(f"The model `{model[:200]}` cannot be served: {unserved(found[0], path)}.", "model")
        targets = tuple(
            Target(one, filled(one.model, one.pattern, name, f"{one.provider}/"), *self._called[id(one)])
            for one in usable
        )
        if any(not target.model or astray(target.model) for target in targets):
            raise bad_request("This is no name of a model.", "model")
        # Their order says nothing, and two that differ in their keys only are one.
        identities = {orjson.dumps(_identity(target), option=orjson.OPT_SORT_KEYS) for target in targets}
        identity = [orjson.loads(written) for written in sorted(identities)]
        shared_key = all(one.api_key is not None for one in usable)
        return Route(targets, identity, shared_key, cycle(targets))


def for_clients(settings: Settings) -> Deployments:
    """Those that clients may ask for: `settings` have the deployment of an embedder too, that is there for us alone."""
    return Deployments([one for one in settings.deployments if one.for_clients], settings.aliases)


def unknown(name: str) -> RequestError:
    """In the words of OpenAI's API."""
    said = f"The model `{name[:200]}` does not exist in this proxy's model_list."
    return RequestError(404, said, param="model", code="model_not_found")


def _identity(target: Target) -> Json:
    """What tells one deployment's answers from another's. Header values may be secret; the key is a digest of them."""
    deployment = target.deployment
    told: Json = {
        "model": target.model,
        "provider": deployment.provider,
        "at": deployment.api_base,
        "organization": deployment.organization,
        "headers": deployment.extra_headers,
        "defaults": deployment.defaults,
    }
    return told if deployment.api_version is None else {**told, "version": deployment.api_version}
