"""Keys and teams as the bucket has them: LiteLLM's names of fields, as JSON.

Knows no bucket and no clock. A key itself is in no record: only its SHA-256, which LiteLLM calls its token.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from math import isfinite
from typing import Any, Final, Self

import orjson

from askonce.core.errors import WireError

KEYS: Final = "key."
TEAMS: Final = "team."
ALIASES: Final = "alias."


def hashed(text: str) -> str:
    """SHA-256 in 64 hex digits: of a key it is LiteLLM's `token`. Takes headers that are no UTF-8 as they came."""
    return sha256(text.encode(errors="surrogateescape")).hexdigest()


def key_record(token: str) -> str:
    """The record's name in the bucket. `token` is the hash of the key."""
    return KEYS + token


def team_record(team_id: str) -> str:
    return TEAMS + hashed(team_id)


def alias_record(alias: str) -> str:
    """Under which the token stands whose `key_alias` this is: no two keys have one alias."""
    return ALIASES + hashed(alias)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Granted:
    """What keys and teams have alike. No `models` is every model; limits of None are without end and are of a minute;
    `model_…` are by the name of the model. Times are in seconds since the epoch, money is in US dollars.

    `more` are members that this version does not know: they are kept, and written back as they were.
    """

    models: tuple[str, ...] = ()
    rpm_limit: int | None = None
    tpm_limit: int | None = None
    max_parallel_requests: int | None = None
    model_rpm_limit: Mapping[str, int] = field(default_factory=dict)
    model_tpm_limit: Mapping[str, int] = field(default_factory=dict)
    max_budget: float | None = None
    blocked: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: float = 0.0
    updated_at: float = 0.0
    more: Mapping[str, Any] = field(default_factory=dict)

    def encode(self) -> bytes:
        """One JSON object of all members."""
        known = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "more"}
        return orjson.dumps({**self.more, **known})

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises WireError, naming the member, for bytes that are no such record."""
        try:
            members = orjson.loads(data)
        except orjson.JSONDecodeError:
            members = None
        if not isinstance(members, dict):
            raise WireError(f"{cls.__name__}: not a JSON object")
        taken: dict[str, Any] = {}
        for one in fields(cls):
            if one.name in members and one.name != "more":
                value = members.pop(one.name)
                try:
                    taken[one.name] = _READERS[one.name](value)
                except (TypeError, ValueError):
                    raise WireError(f"{cls.__name__}: {one.name}: not what it must be") from None
        try:
            return cls(**taken, more=members)
        except TypeError:
            raise WireError(f"{cls.__name__}: a member is missing") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord(_Granted):
    """A virtual key. `token` is its hash; `key_name` shows its last four characters, such as "sk-...abcd".

    `expires` of None is never. `allowed_cache_controls`, where there are any, are all that its requests may say of
    caching; `metadata` may hold `cache`, which stands in for all they say, and `cache_scope`.
    """

    token: str
    key_name: str = ""
    key_alias: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    allowed_cache_controls: tuple[str, ...] = ()
    expires: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamRecord(_Granted):
    """A team: what it may holds for each of its keys, and its limits for all of them together."""

    team_id: str
    team_alias: str | None = None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(_text, value))


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    if value < 0:
        raise ValueError
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    if not isfinite(value):
        raise ValueError
    return float(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _counts(value: Any) -> dict[str, int]:
    return {name: _count(one) for name, one in _object(value).items()}


def _or_none(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "token": _text,
    "key_name": _text,
    "key_alias": _or_none(_text),
    "team_id": _or_none(_text),
    "team_alias": _or_none(_text),
    "user_id": _or_none(_text),
    "models": _texts,
    "allowed_cache_controls": _texts,
    "rpm_limit": _or_none(_count),
    "tpm_limit": _or_none(_count),
    "max_parallel_requests": _or_none(_count),
    "model_rpm_limit": _counts,
    "model_tpm_limit": _counts,
    "max_budget": _or_none(_number),
    "expires": _or_none(_number),
    "blocked": _truth,
    "metadata": _object,
    "created_at": _number,
    "updated_at": _number,
}
