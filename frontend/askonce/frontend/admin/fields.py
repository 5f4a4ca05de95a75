"""What a request says of a key or a team, field by field. Names are LiteLLM's.

A field that would promise what is not held here is refused by its name, never dropped (docs/decisions/0064). Knows no
bucket.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import orjson

from askonce.core.control import read_controls
from askonce.core.errors import RequestError, bad_request
from askonce.frontend.admin.reading import showable
from askonce.frontend.admin.unheld import IN_METADATA, why

MOST_METADATA: Final = 16 * 1024  # bytes of JSON
_LONGEST: Final = 256  # characters of a name
_MOST_TOLD: Final = 20  # wrong fields
_MOST: Final = 1000  # members of a list or an object
_LARGEST: Final = 2**53  # what JSON's and Lua's numbers are exact up to
_SCOPES: Final = ("global", "team", "key")
_WITHIN_METADATA: Final = ("model_rpm_limit", "model_tpm_limit")  # where LiteLLM reads them too


@dataclass(frozen=True, slots=True)
class Field:
    """`read` raises ValueError for what is not as `expected`; null means `empty`."""

    expected: str
    read: Callable[[Any], Any]
    empty: Any = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a body says: `known` by the record's own members, `kept` what is only kept and shown."""

    known: dict[str, Any]
    kept: dict[str, Any]


def read_fields(body: Mapping[str, Any], fields: Mapping[str, Field], others: frozenset[str]) -> Said:
    """`others` are what the route itself looks at. Raises RequestError (400), naming every field that is wrong."""
    known: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    wrong: list[RequestError] = []
    for name, value in body.items():
        if name in others:
            continue
        field = fields.get(name) or _KEPT.get(name)
        try:
            if field is not None:
                (known if name in fields else kept)[name] = field.empty if value is None else _read(name, field, value)
            elif not _says_nothing(name, value):
                shown = name[:100]
                wrong.append(bad_request(why(shown, {*fields, *_KEPT, *others}), shown))
        except RequestError as error:
            wrong.append(error)
    if wrong:
        raise _together(wrong)
    return Said(known, kept)


def _together(wrong: Sequence[RequestError]) -> RequestError:
    told = " ".join(error.message for error in wrong[:_MOST_TOLD])
    return bad_request(told if len(wrong) <= _MOST_TOLD else f"{told} And so on.", wrong[0].param)


def text(body: Mapping[str, Any], name: str) -> str:
    """A field that must be there. Raises RequestError (400)."""
    if body.get(name) is None:
        raise bad_request(f"{name} is missing.", name)
    return str(_read(name, _NAME, body.get(name)))


def texts(body: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    """None where it is not there. Raises RequestError (400)."""
    value = body.get(name)
    return None if value is None else tuple(dict.fromkeys(_read(name, _NAMES, value)))


def _read(name: str, field: Field, value: Any) -> Any:
    try:
        return field.read(value)
    except ValueError:
        raise bad_request(f"{name} must be {field.expected}.", name) from None


def _says_nothing(name: str, value: Any) -> bool:
    """What LiteLLM's SDKs and UI send along, meaning nothing by it. Zero is a value."""
    if name == "key_type":
        return value in {None, "default", "llm_api"} if isinstance(value, str | None) else False
    return value is None or value is False or value in ("", [], {})


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise ValueError
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MOST:
        raise ValueError
    return tuple(map(_name, value))


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise ValueError
    return value


def _counts(value: Any) -> dict[str, int]:
    if not isinstance(value, dict) or len(value) > _MOST:
        raise ValueError
    return {_name(model): _count(limit) for model, limit in value.items()}


def _money(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        raise ValueError
    return float(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError  # noqa: TRY004 - a wrong value of a request, not of ours
    return value


def _metadata(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not showable(value) or len(orjson.dumps(value)) > MOST_METADATA:
        raise ValueError
    scope = value.get("cache_scope")
    if scope is not None and scope not in _SCOPES:
        raise bad_request(f"metadata.cache_scope must be one of {', '.join(_SCOPES)}.", "metadata.cache_scope")
    for name in _WITHIN_METADATA:
        if value.get(name) is not None:
            raise bad_request(f"{name} belongs beside metadata, not into it.", f"metadata.{name}")
    acted_on = [
        f"metadata.{name}" for name, said in value.items() if name in IN_METADATA and not _says_nothing(name, said)
    ]
    if acted_on:
        raise bad_request(f"Not supported: {', '.join(acted_on)} (docs/keys.md).", acted_on[0])
    return value


def _metadata_of_key(value: Any) -> dict[str, Any]:
    metadata = _metadata(value)
    try:
        read_controls(metadata.get("cache"), None)
    except RequestError as error:
        raise bad_request(f"metadata.{error.message}", f"metadata.{error.param}") from None
    return metadata


def _metadata_of_team(value: Any) -> dict[str, Any]:
    metadata = _metadata(value)
    if metadata.get("cache") is not None:
        raise bad_request("metadata.cache is held for keys only, not for teams.", "metadata.cache")
    return metadata


_A_COUNT: Final = "a whole number, 0 or more"
_COUNTS: Final = "an object of models and whole numbers, 0 or more"
_SOME_METADATA: Final = f"an object, {MOST_METADATA} bytes of JSON at most"
_NAME: Final = Field(f"a text of 1 to {_LONGEST} characters", _name)
_NAMES: Final = Field(f"a list of at most {_MOST} texts of 1 to {_LONGEST} characters", _names, ())

_GRANTED: Final[Mapping[str, Field]] = {
    "models": _NAMES,
    "rpm_limit": Field(_A_COUNT, _count),
    "tpm_limit": Field(_A_COUNT, _count),
    "max_parallel_requests": Field(_A_COUNT, _count),
    "model_rpm_limit": Field(_COUNTS, _counts, {}),
    "model_tpm_limit": Field(_COUNTS, _counts, {}),
    "max_budget": Field("a number of US dollars, 0 or more", _money),
    "blocked": Field("true or false", _truth, False),
}
OF_KEYS: Final[Mapping[str, Field]] = {
    **_GRANTED,
    "metadata": Field(_SOME_METADATA, _metadata_of_key, {}),
    "key_alias": _NAME,
    "team_id": _NAME,
    "user_id": _NAME,
    "allowed_cache_controls": _NAMES,
}
OF_TEAMS: Final[Mapping[str, Field]] = {
    **_GRANTED,
    "metadata": Field(_SOME_METADATA, _metadata_of_team, {}),
    "team_alias": _NAME,
}
_KEPT: Final[Mapping[str, Field]] = {
    "soft_budget": Field("a number of US dollars, 0 or more", _money),
    "tags": _NAMES,
}
