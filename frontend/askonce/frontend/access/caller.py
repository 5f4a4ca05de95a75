"""Who asks, once let in, and what they may. Knows no request and no bucket.

Words, statuses and types of refusals are LiteLLM's (version 1.109: `auth_checks.py`, `user_api_key_auth.py` and
`cache_control_check.py` of its proxy), so that what reads them goes on reading them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from askonce.config.patterns import stars
from askonce.core.control import NOTHING, CacheControl, read_controls
from askonce.core.errors import RequestError
from askonce.stores.counting.protocol import Claim

_AGES: Final = frozenset({"max-age", "s-maxage", "s-max-age"})


@dataclass(frozen=True, slots=True)
class Grant:
    """The models that a key or a team may ask: by name, or by a pattern with stars."""

    whose: Literal["key", "team"]
    names: frozenset[str]
    patterns: tuple[str, ...] = ()

    def covers(self, name: str) -> bool:
        return name in self.names or any(stars(pattern, name) is not None for pattern in self.patterns)


def _itself(name: str) -> str:
    return name


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Caller:
    """`admin`: by the master key, or where nobody needs one. `name` is the hash of a virtual key, 64 hex digits, and ""
    without one. `imprint` tells two callers apart whose same request may mean something else; `tenant` is who shares
    the answers to a virtual key, "" being everybody. `team` is what a virtual key's team is called, "" without one.

    `accounts` are what an answer's cost is put down to, such as "key:<hash>" and "team:<hash>", and `budgets` those
    of them that may not go beyond so many US dollars; `shown` is how refusals call them, such as "Key=anna". `grants`
    are none where every model may be asked, and all of them must cover a model. `meant` is what an alias leads to.
    `given` stands in for whatever requests say of caching, and `sayable`, where it holds any, is all that they may say.
    """

    admin: bool = False
    name: str = ""
    imprint: str = ""
    tenant: str = ""
    team: str = ""
    user_id: str = ""
    blocked: str = ""  # why it is refused, if it is
    expires: float | None = None
    accounts: tuple[str, ...] = ()
    budgets: tuple[tuple[str, float], ...] = ()
    shown: Mapping[str, str] = field(default_factory=dict)
    grants: tuple[Grant, ...] = ()
    meant: Callable[[str], str] = _itself
    given: CacheControl | None = None
    sayable: frozenset[str] = frozenset()
    limits: tuple[Claim, ...] = ()
    model_limits: Mapping[str, tuple[Claim, ...]] = field(default_factory=dict)

    def stand(self, now: float) -> None:
        """Raises RequestError (401) where the key is blocked, or expired at `now`, seconds since the epoch."""
        if self.blocked:
            raise RequestError(401, self.blocked, "auth_error", code="401")
        if self.expires is not None and self.expires < now:
            expiry, current = (datetime.fromtimestamp(time, UTC) for time in (max(self.expires, 0.0), now))
            said = f"Authentication Error - Expired Key. Key Expiry time {expiry} and current time {current}"
            raise RequestError(401, said, "expired_key", code="401")

    def require(self, model: str) -> None:
        """Raises RequestError (403) where the caller may not ask this model, by the name that it asks for. An alias may
        be asked by who may ask it, or the model that it leads to.
        """
        for grant in self.grants:
            if not (grant.covers(model) or grant.covers(self.meant(model))):
                raise RequestError(
                    403,
                    f"The requested model '{model[:200]}' is not available for this API key, or the model name is "
                    "invalid. Check the models available to you and try again.",
                    f"{grant.whose}_model_access_denied",
                    param="model",
                    code="403",
                )

    def controls(self, body: Any, header: str) -> CacheControl:
        """What the cache is told: by the request's `cache` member and header, or by the key. Raises RequestError.

        A key's own word replaces all that the request says, but for `only-if-cached`: who would rather have no answer
        than a new one changes nothing of what is kept, and costs nobody anything.
        """
        if self.given is not None:
            alone = header and "only-if-cached" in _directives(header)
            return replace(self.given, only_if_cached=True) if alone else self.given
        if self.sayable and (body is not None or header):
            self._check_sayable(body, header)
        return read_controls(body, header)

    def claims(self, model: str) -> Sequence[Claim]:
        """What a request for the model counts under. One for an alias counts for what it leads to as well."""
        return self.limits + self.claims_of(model) if self.model_limits else self.limits

    def claims_of(self, model: str) -> tuple[Claim, ...]:
        """Those for this model alone."""
        meant = self.meant(model)
        found = self.model_limits.get(model, ())
        return found if meant == model else found + self.model_limits.get(meant, ())

    @property
    def restricted(self) -> bool:
        """Whether it matters which model is asked."""
        return bool(self.grants or self.model_limits)

    @property
    def counted(self) -> str | None:
        """Which of the limits it has, or its team, needs to know what an answer cost; None without one."""
        if self.budgets:
            return "max_budget"
        if any(claim.tokens is not None for claim in self.limits):
            return "tpm_limit"
        by_model = any(claim.tokens is not None for claims in self.model_limits.values() for claim in claims)
        return "model_tpm_limit" if by_model else None

    def _check_sayable(self, body: Any, header: str) -> None:
        """Members are looked at whatever they are, as in LiteLLM; directives where they mean a control."""
        said = list(body) if isinstance(body, dict) else []
        for name, directive in _directives(header).items():
            if replace(read_controls(None, directive), only_if_cached=False) != NOTHING:
                said.append(name)
        for name in said:
            if name not in self.sayable and not (name in _AGES and self.sayable & _AGES):
                words = f"Not allowed to set {name[:100]} as a cache control. Contact admin to change permissions."
                raise RequestError(403, words, "auth_error", param="cache", code="403")


def _directives(header: str) -> dict[str, str]:
    """Those of a Cache-Control header by their names, as `core.control` takes them apart."""
    parts = [part.strip() for part in header.split(",")]
    return {part.partition("=")[0].strip().lower(): part for part in parts}


ADMIN: Final = Caller(admin=True)
