"""What a key's record and its team's come to, worked out once for each key: a Caller."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import orjson

from askonce.config.patterns import STAR
from askonce.config.settings import Scope, Settings
from askonce.core.control import CacheControl, read_controls
from askonce.core.errors import RequestError
from askonce.frontend.access.caller import ADMIN, Caller, Grant
from askonce.frontend.access.records import KeyRecord, TeamRecord, hashed
from askonce.stores.counting.protocol import Claim

EVERY_MODEL: Final = frozenset({"all-proxy-models", STAR})
TEAM_MODELS: Final = "all-team-models"
_NARROWNESS: Final[Mapping[str, int]] = {"global": 0, "team": 1, "key": 2}
_UNCACHED: Final = CacheControl(no_cache=True, no_store=True)
_KEY_BLOCKED: Final = "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin."


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all keys: who shares answers, what aliases lead to, and what every request counts under."""

    scope: Scope | None
    meant: Callable[[str], str]
    everybody: tuple[Claim, ...] = ()

    def admin(self) -> Caller:
        return Caller(admin=True, limits=self.everybody) if self.everybody else ADMIN

    def caller(self, key: KeyRecord, team: TeamRecord | None) -> Caller:
        """`team` is that of the key's `team_id`, where it has one."""
        whose = f"key:{key.token}"
        teams = "" if team is None else f"team:{hashed(team.team_id)}"
        budgets = [(whose, key.max_budget), (teams, None if team is None else team.max_budget)]
        limits, model_limits = _claims(whose, key), _model_claims(whose, key)
        if team is not None:
            limits += _claims(teams, team)
            for model, claims in _model_claims(teams, team).items():
                model_limits[model] = model_limits.get(model, ()) + claims
        given, tenant = _given(key.metadata), self._tenant(key, team)
        sayable = frozenset(key.allowed_cache_controls)
        return Caller(
            name=key.token,
            imprint=_imprint(given, sayable, tenant),
            tenant=tenant,
            team="" if team is None else team.team_alias or team.team_id,
            user_id=key.user_id or "",
            blocked=_blocked(key, team),
            expires=key.expires,
            accounts=(whose, teams) if teams else (whose,),
            budgets=tuple((name, most) for name, most in budgets if most is not None),
            shown={whose: _key_shown(key), **({} if team is None else {teams: f"Team={team.team_id}"})},
            grants=_grants(key, team),
            meant=self.meant,
            given=given,
            sayable=sayable,
            limits=self.everybody + limits,
            model_limits=model_limits,
        )

    def _tenant(self, key: KeyRecord, team: TeamRecord | None) -> str:
        """The narrowest of what the operator, the team and the key want. What is no scope is the narrowest."""
        wanted: list[Any] = [self.scope, key.metadata.get("cache_scope")]
        if team is not None:
            wanted.append(team.metadata.get("cache_scope"))
        narrow = max(_narrowness(one) for one in wanted)
        if narrow == 0:
            return ""
        return hashed(f"key\n{key.token}" if narrow == 2 or team is None else f"team\n{team.team_id}")


def terms_of(settings: Settings, meant: Callable[[str], str]) -> Terms:
    most = settings.access.max_parallel_requests
    return Terms(settings.proxy.cache_scope, meant, () if most is None else (Claim("all", parallel=most),))


def _narrowness(scope: Any) -> int:
    if scope is None:
        return 0
    return _NARROWNESS.get(scope, 2) if isinstance(scope, str) else 2


def _blocked(key: KeyRecord, team: TeamRecord | None) -> str:
    if key.blocked:
        return _KEY_BLOCKED
    if team is not None and team.blocked:
        return f"Team={team.team_id} is blocked. Update via `/team/unblock` if you're an admin."
    return ""


def _key_shown(key: KeyRecord) -> str:
    """In LiteLLM's words."""
    label = key.key_alias or "key"
    return f"Key={label} ({key.key_name})" if key.key_name else f"Key={label}"


def _grants(key: KeyRecord, team: TeamRecord | None) -> tuple[Grant, ...]:
    """A key that has its team's models and no team has none."""
    found = []
    own = set(key.models)
    if TEAM_MODELS in own and team is not None:
        own = set()  # its team's are looked at anyway
    if own and not own & EVERY_MODEL:
        found.append(Grant("key", *_sorted_out(own)))
    if team is not None and team.models and not EVERY_MODEL & set(team.models):
        found.append(Grant("team", *_sorted_out(set(team.models))))
    return tuple(found)


def _sorted_out(models: set[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    return frozenset(models), tuple(sorted(one for one in models if STAR in one))


def _claims(whose: str, of: KeyRecord | TeamRecord) -> tuple[Claim, ...]:
    if of.rpm_limit is None and of.tpm_limit is None and of.max_parallel_requests is None:
        return ()
    return (Claim(whose, of.rpm_limit, of.tpm_limit, of.max_parallel_requests),)


def _model_claims(whose: str, of: KeyRecord | TeamRecord) -> dict[str, tuple[Claim, ...]]:
    return {
        model: (Claim(f"{whose}:model:{model}", of.model_rpm_limit.get(model), of.model_tpm_limit.get(model)),)
        for model in {**of.model_rpm_limit, **of.model_tpm_limit}
    }


def _given(metadata: Mapping[str, Any]) -> CacheControl | None:
    """What a key says in place of its requests. One that cannot be read keeps them from the cache: what its owner
    wanted is not known, and nobody who asks could mend it.
    """
    said = metadata.get("cache")
    if said is None:
        return None
    try:
        return read_controls(said, None)
    except RequestError:
        return _UNCACHED


def _imprint(given: CacheControl | None, sayable: frozenset[str], tenant: str) -> str:
    if given is None and not sayable and not tenant:
        return ""
    return sha256(orjson.dumps([given, sorted(sayable), tenant])).hexdigest()
