"""Which handler stands behind which route: the table that requests are looked up in, put together once."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from askonce.bus.protocols import Bucket, Publisher, Tally
from askonce.calls.endpoint import Endpoint
from askonce.calls.table import ENDPOINTS
from askonce.config.settings import Settings
from askonce.frontend.access.records import hashed
from askonce.frontend.accounts.ledger import Ledger
from askonce.frontend.admin.listed import Listed
from askonce.frontend.admin.table import Admin
from askonce.frontend.counted import words
from askonce.frontend.falling import Fallbacks
from askonce.frontend.flights import Flights
from askonce.frontend.handler import Handler
from askonce.frontend.limits import Limiter
from askonce.frontend.meaning import Meaning
from askonce.frontend.observe import Observer
from askonce.frontend.passing import Passing
from askonce.frontend.question import Placing
from askonce.frontend.relaying import Relay
from askonce.frontend.routes import Aimed, Named, Routes
from askonce.frontend.upstream import Upstream
from askonce.runtime.clock import timer, wall
from askonce.stores.inspection import Inspector
from askonce.stores.memory import MemoryStore
from askonce.stores.protocols import Reader
from askonce.stores.tier import Tiered
from askonce.telemetry.beginning import begin
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a frontend has opened, and its handlers are made from. `store` is the store behind the memory tier, or None
    where memory is all there is; `meaning` is None where nothing is matched by meaning.
    """

    settings: Settings
    memory: MemoryStore
    store: Reader | None
    inspector: Inspector | None
    tier: Tiered
    bus: Publisher
    keys: Bucket
    spent: Tally
    placing: Placing
    limiter: Limiter
    ledger: Ledger
    meaning: Meaning | None
    flights: Flights
    upstream: Upstream
    observer: Observer
    metrics: Metrics
    log: Log
    leaving: asyncio.Event
    draining: asyncio.Event


def routes(parts: Parts) -> Routes:
    """Every route of a frontend."""
    begin(parts.metrics, "frontend", words(parts.settings, parts.placing.deployments.targets))
    admin = _admin(parts)
    table = admin.routes()
    named: dict[str, Named] = {}
    for endpoint, handler in _cached(parts):
        table.update({("POST", path): handler.handle for path in endpoint.paths})
        named[endpoint.path] = handler.handle
    relay: Aimed = _relay(parts).answer
    if parts.placing.deployments.names:
        relay = admin.before(relay)
    else:  # no model has a name of its own: which there are is the provider's to say
        del table["GET", "/v1/models"], table["GET", "/models"]
    return Routes(table, named, relay, parts.leaving, parts.settings.proxy.max_body_bytes)


def _admin(parts: Parts) -> Admin:
    master = parts.settings.master_key
    return Admin(
        cache=parts.settings.cache,
        listed=Listed(parts.placing.deployments),
        gate=parts.placing.gate,
        deployments=parts.placing.deployments,
        upstream=parts.upstream,
        memory=parts.memory,
        store=parts.store,
        inspector=parts.inspector,
        bus=parts.bus,
        keys=parts.keys,
        spent=parts.spent,
        master=None if master is None else hashed(master.get_secret_value()),
        metrics=parts.metrics,
        log=parts.log,
        clock=wall,
        leaving=parts.leaving,
        draining=parts.draining,
    )


def _cached(parts: Parts) -> Iterator[tuple[Endpoint, Handler]]:
    passing = Passing(parts.placing.rules, parts.ledger)
    fallbacks = Fallbacks(parts.settings.routing, parts.placing, parts.metrics)
    for endpoint in ENDPOINTS:
        yield (
            endpoint,
            Handler(
                endpoint=endpoint,
                gate=parts.placing.gate,
                limiter=parts.limiter,
                placing=parts.placing,
                tier=parts.tier,
                meaning=parts.meaning if endpoint.comparable else None,
                flights=parts.flights,
                fallbacks=fallbacks,
                bus=parts.bus,
                passing=passing,
                observer=parts.observer,
                clock=wall,
            ),
        )


def _relay(parts: Parts) -> Relay:
    return Relay(
        gate=parts.placing.gate,
        limiter=parts.limiter,
        deployments=parts.placing.deployments,
        upstream=parts.upstream,
        observer=parts.observer,
        metrics=parts.metrics,
        log=parts.log,
        timer=timer,
    )
