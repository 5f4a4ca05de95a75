"""From an ask to its lookups: what the body says, sealed with all else that decides the answer."""

from collections import OrderedDict

from askonce.calls.endpoint import Body
from askonce.core.entry import Lookup
from askonce.core.key import CacheKey, canonical, circumstances, digest, nest
from askonce.frontend.ask import Ask
from askonce.frontend.deployments import Route
from askonce.frontend.grouping import Groups, Shared

_REMEMBERED = 4096
_LONGEST = 4096  # bytes of what is remembered: a model's name may be as long as a client likes


class Keys:
    """Makes lookups. What lies around the body repeats from request to request, so it is written down once.

    Where the models of a group share their answers, the group stands in the place of the model.
    """

    def __init__(self, namespace: str, groups: Groups | None = None) -> None:
        self._namespace = namespace
        self._groups = groups
        self._written: OrderedDict[tuple[object, ...], bytes] = OrderedDict()

    def lookups(
        self, ask: Ask, route: Route, forwarded: dict[str, str], tenant: str, parts: list[Body]
    ) -> list[Lookup]:
        """Raises RequestError (400) for a body that cannot be written down: see `canonical`."""
        namespace = nest(self._namespace, ask.control.namespace)
        shared = self._shared(ask)
        around = self._around(ask, route, forwarded, tenant, shared)
        varying = ask.endpoint.varying
        if varying is not None:
            # What all parts have in common is written down once: a thousand items must not cost a thousand bodies.
            common = canonical({name: value for name, value in _keyed(ask.body, shared).items() if name != varying})
            around += b"%d\n" % len(common) + common
            parts = [{varying: part[varying]} for part in parts]
        else:
            parts = [_keyed(part, shared) for part in parts]
        return [Lookup(CacheKey(namespace, digest(canonical(part), around))) for part in parts]

    def scope(self, ask: Ask, route: Route, forwarded: dict[str, str], tenant: str, rest: Body) -> str:
        """The digest of everything but the compared text: what a match by meaning must have in common with it."""
        shared = self._shared(ask)
        written = canonical(_keyed(rest, shared))
        return digest(b"scope\n" + written, self._around(ask, route, forwarded, tenant, shared))

    def _shared(self, ask: Ask) -> Shared | None:
        return None if self._groups is None else self._groups.of(ask.model, ask.endpoint.path)

    def _around(self, ask: Ask, route: Route, forwarded: dict[str, str], tenant: str, shared: Shared | None) -> bytes:
        mark = (ask.endpoint.name, ask.model, tenant, ask.control.namespace, *forwarded.items())
        written = self._written.get(mark)
        if written is None:
            written = circumstances(
                call_type=ask.endpoint.name,
                model=ask.model if shared is None else "",
                upstream=route.identity if shared is None else shared.identity,
                headers=forwarded,
                tenant=tenant,
                # apart: `team` with a request's `b` is not `team:b`, whose proxy may have other keys and other clients
                namespaces=(self._namespace, ask.control.namespace),
            )
            if len(written) > _LONGEST:
                return written
            self._written[mark] = written
            if len(self._written) > _REMEMBERED:
                self._written.popitem(last=False)
        return written


def _keyed(body: Body, shared: Shared | None) -> Body:
    return body if shared is None else {**body, "model": shared.models}
