"""Which deployments answer for a model's name. Knows the model list, and nothing of requests."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle

import orjson

from askonce.config.settings import Deployment
from askonce.core.errors import RequestError, bad_request
from askonce.core.key import Json
from askonce.frontend.dialects import unserved

_REMEMBERED = 1024  # names that clients made up under a wildcard; more are worked out again each time
_LONGEST = 256  # characters of such a name


@dataclass(frozen=True, slots=True)
class Target:
    """A deployment, and what the model is called there."""

    deployment: Deployment
    model: str


@dataclass(slots=True)
class Route:
    """All that may answer for one name. `identity` is their part of every key."""

    targets: tuple[Target, ...]
    identity: list[Json]
    shared_key: bool  # every target has a key of its own: no client's credential goes upstream
    _turn: "cycle[Target]" = field(repr=False)

    def next(self) -> Target:
        return next(self._turn)


class Deployments:
    def __init__(self, deployments: Sequence[Deployment]) -> None:
        self._exact: dict[str, list[Deployment]] = {}
        self._wild: dict[str, list[Deployment]] = {}
        for deployment in deployments:
            wild = deployment.pattern.endswith("*")
            table = self._wild if wild else self._exact
            table.setdefault(deployment.pattern.removesuffix("*"), []).append(deployment)
        self._prefixes = sorted(self._wild, key=len, reverse=True)  # the longest says the most
        self._routes: OrderedDict[tuple[str, str], Route] = OrderedDict()

    @property
    def names(self) -> list[str]:
        """The models that have a name of their own and can be served, in the file's order."""
        return [name for name, members in self._exact.items() if any(one.unsupported is None for one in members)]

    def route(self, model: str, path: str) -> Route:
        """Who answers for the model on the route that is at `path` below a provider's base.

        Raises RequestError: 404 for a name that nothing answers to, 400 where only deployments do that cannot serve
        it, or for a name that is no text.
        """
        known = self._routes.get((model, path))
        if known is not None:
            return known
        route = self._work_out(model, path)
        if len(model) > _LONGEST:
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
        found = self._exact.get(model) or self._by_prefix(model)
        if not found:
            raise RequestError(
                404, f"The model `{model[:200]}` does not exist in this proxy's model_list.", param="model",
                code="model_not_found",
            )  # fmt: skip
        usable = [one for one in found if unserved(one, path) is None]
        if not usable:
            raise bad_request(f"The model `{model[:200]}` cannot be served: {unserved(found[0], path)}.", "model")
        targets = tuple(Target(one, _name_there(one, model)) for one in usable)
        # Their order says nothing, and two that differ in their keys only are one.
        identities = {orjson.dumps(_identity(target), option=orjson.OPT_SORT_KEYS) for target in targets}
        identity = [orjson.loads(written) for written in sorted(identities)]
        shared_key = all(one.api_key is not None for one in usable)
        return Route(targets, identity, shared_key, cycle(targets))

    def _by_prefix(self, model: str) -> list[Deployment] | None:
        return next((self._wild[prefix] for prefix in self._prefixes if model.startswith(prefix)), None)


def _identity(target: Target) -> Json:
    """What tells one deployment's answers from another's. Header values may be secret; the key is a digest of them."""
    deployment = target.deployment
    return {
        "model": target.model,
        "provider": deployment.provider,
        "at": deployment.api_base,
        "organization": deployment.organization,
        "headers": deployment.extra_headers,
        "defaults": deployment.defaults,
    }


def _name_there(deployment: Deployment, model: str) -> str:
    """`openai/*` for the pattern `openai/*` passes on what the star stood for; a model without a star is itself."""
    if "*" not in deployment.model:
        return deployment.model
    star = model.removeprefix(deployment.pattern.removesuffix("*"))
    if deployment.pattern == "*":
        star = star.removeprefix(f"{deployment.provider}/")
    return deployment.model.replace("*", star, 1)
