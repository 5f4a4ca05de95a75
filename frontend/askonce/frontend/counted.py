"""What a frontend counts, at 0 from its start, as far as its words are known then. Counts nothing itself.

Not among them are what a provider's status says of its latency, eighteen series for each, and what is counted by
model: the observer has that from a model's first request on. What is made with its words bound needs no line here.
"""

from collections.abc import Iterable
from typing import Final

from askonce.calls.table import ENDPOINTS
from askonce.config.settings import Settings
from askonce.core.policy import SkipReason, Why
from askonce.frontend.deployments import Target
from askonce.frontend.falling import Outcome
from askonce.frontend.meaning import SOURCE as MEANING
from askonce.frontend.observe import PASSED_THROUGH, Result
from askonce.frontend.outbox import Dropped
from askonce.frontend.routing.cooldowns import Reason
from askonce.stores.memory import SOURCE as MEMORY
from askonce.stores.registry import STORES
from askonce.telemetry.beginning import Words

CACHED: Final = tuple(endpoint.name for endpoint in ENDPOINTS)
CALL_TYPES: Final = (*CACHED, PASSED_THROUGH)
MISSING: Final = "missing"
# A request that may not read is a bypass, and its answer may be kept; what is passed through is nowhere looked up.
SKIPPED: Final = (*SkipReason, *(why for why in Why if why not in {Why.NO_CACHE, Why.ROUTE}))


def words(settings: Settings, targets: Iterable[Target]) -> Words:
    """All that a frontend with these settings and deployments may ever say."""
    found: dict[str, list[Iterable[str]]] = {
        "askonce_requests_total": [CALL_TYPES, [""], Result],
        "askonce_lookups_total": [CACHED, _sources(settings)],
        "askonce_kept_total": [CACHED],
        "askonce_skipped_total": [CACHED, SKIPPED],
        "askonce_deployment_failures_total": [[target.label for target in targets], Reason],
        "askonce_fallbacks_total": [CACHED, Outcome],
    }
    if settings.cache.enabled and STORES[settings.cache.type].shared:
        found["askonce_outbox_dropped_total"] = [Dropped]
    return found


def _sources(settings: Settings) -> list[str]:
    """Where a part may be found with this store."""
    store = STORES[settings.cache.type]
    behind = [store.name] if settings.cache.enabled and store.shared else []
    return [MEMORY, *behind, *([MEANING] if behind and store.open_matcher is not None else []), MISSING]
