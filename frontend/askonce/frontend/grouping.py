"""Models that share their answers: `caching_groups`. Knows which deployments stand behind them, and no request."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from askonce.core.errors import RequestError
from askonce.core.key import Json
from askonce.frontend.deployments import Deployments


class Shared(NamedTuple):
    """What stands in every key in the place of the model that was asked. `models` is a list, as no request's `model`
    is: nobody can spell it. `identity` is that of all that may answer for one of them.
    """

    models: list[str]
    identity: list[Json]


class Groups:
    """A model that stands in several groups counts to the first."""

    def __init__(self, groups: Sequence[Sequence[str]], deployments: Deployments) -> None:
        self._deployments = deployments
        self._groups: dict[str, tuple[str, ...]] = {}
        self._shared: dict[tuple[tuple[str, ...], str], Shared] = {}
        for group in groups:
            meant = tuple(sorted({deployments.by_name.meant(name) for name in group}))
            for name in meant:
                self._groups.setdefault(name, meant)

    def of(self, model: str, path: str) -> Shared | None:
        """For the route that is at `path` below a provider's base; None for a model that shares with no other."""
        if not self._groups:
            return None
        group = self._groups.get(self._deployments.by_name.meant(model))
        if group is None:
            return None
        shared = self._shared.get((group, path))
        if shared is None:
            shared = self._shared[group, path] = Shared(list(group), self._identity(group, path))
        return shared

    def _identity(self, group: tuple[str, ...], path: str) -> list[Json]:
        """In an order that does not say who was asked. Who cannot be asked on the route gives no answer there."""
        found: dict[bytes, Json] = {}
        for name in group:
            try:
                told = self._deployments.route(name, path).identity
            except RequestError:
                continue
            found |= {orjson.dumps(one, option=orjson.OPT_SORT_KEYS): one for one in told}
        return [found[written] for written in sorted(found)]
