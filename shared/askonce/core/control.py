"""What a request says about caching: the `cache` object of LiteLLM and the `Cache-Control` header of RFC 9111.

Source of the names: LiteLLM's page "Caching", part "Dynamic Cache Controls"; RFC 9111 section 5.2.1. The object's names
are directives of the header too, as RFC 9111 5.2.3 lets a cache add its own. Where both speak, the object wins, name by
name. Unknown names are ignored; a known name with a wrong value is an error.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from askonce.core.errors import bad_request
from askonce.core.key import NAMESPACE


@dataclass(frozen=True, slots=True)
class CacheControl:
    """`ttl` and `max_age` are in seconds; zero is a value: keep for no time, accept nothing that has an age.

    `similarity` is the least likeness, 0 to 1, that a match by meaning must have: it may raise the configured
    threshold, and never lowers it.
    """

    ttl: float | None = None
    max_age: float | None = None
    no_cache: bool = False
    no_store: bool = False
    use_cache: bool = False
    only_if_cached: bool = False
    namespace: str = ""
    similarity: float = 0.0


NOTHING: Final = CacheControl()
_LONGEST: Final = 9_999_999_999  # seconds, over 300 years: no store has to reckon with more


def read_controls(body: Any, header: str | None) -> CacheControl:
    """The controls of a request, from its `cache` member (None when there is none) and its Cache-Control header.

    Raises RequestError (400) that names the field, such as `cache.ttl`.
    """
    controls = NOTHING if not header else _from_header(header)
    return controls if body is None else _from_object(body, controls)


def _from_header(header: str) -> CacheControl:
    """A directive that is not understood is ignored (RFC 9111 5.2). Of `max-age` and the object's names for it, the
    last counts; they are one thing.
    """
    controls = NOTHING
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        controls = _directed(controls, name.strip().lower(), value.strip().strip('"'))
    return controls


def _directed(controls: CacheControl, name: str, value: str) -> CacheControl:
    match name:
        case "no-cache":
            return replace(controls, no_cache=True)
        case "no-store":
            return replace(controls, no_store=True)
        case "use-cache":
            return replace(controls, use_cache=True)
        case "only-if-cached":
            return replace(controls, only_if_cached=True)
        case "max-age" | "s-maxage" | "s-max-age":
            return replace(controls, max_age=_delta_seconds(name, value))
        case "ttl":
            return replace(controls, ttl=_delta_seconds(name, value))
        case "namespace":
            return replace(controls, namespace=_namespace(value, "Cache-Control"))
        case "similarity-threshold":
            return replace(controls, similarity=_fraction(value))
        case _:
            return controls


def _fraction(value: str) -> float:
    try:
        share = float(value) if value.isascii() else -1.0
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise bad_request("similarity-threshold takes a number from 0 to 1", "Cache-Control")
    return share


def _delta_seconds(name: str, digits: str) -> float:
    if not (digits.isascii() and digits.isdigit()):
        raise bad_request(f"{name} takes a whole number of seconds", "Cache-Control")
    # RFC 9111 1.2.2: a number too large for the receiver is taken as a very large one
    significant = digits.lstrip("0")
    return float(significant or 0) if len(significant) <= len(str(_LONGEST)) else float(_LONGEST)


def _from_object(body: Any, controls: CacheControl) -> CacheControl:
    if not isinstance(body, dict):
        raise bad_request('cache must be an object, such as {"ttl": 60}', "cache")
    if not body:
        return controls
    max_age = _seconds(body, "s-max-age", _seconds(body, "s-maxage", controls.max_age))
    return CacheControl(
        ttl=_seconds(body, "ttl", controls.ttl),
        max_age=max_age,
        no_cache=_flag(body, "no-cache", default=controls.no_cache),
        no_store=_flag(body, "no-store", default=controls.no_store),
        use_cache=_flag(body, "use-cache", default=controls.use_cache),
        only_if_cached=controls.only_if_cached,
        namespace=_namespace(body.get("namespace"), "cache.namespace") or controls.namespace,
        similarity=max(_share(body, "similarity-threshold"), controls.similarity),
    )


def _share(body: dict[str, Any], name: str) -> float:
    value = body.get(name)
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise bad_request(f"cache.{name} must be a number from 0 to 1", f"cache.{name}")
    return float(value)


def _seconds(body: dict[str, Any], name: str, default: float | None) -> float | None:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise bad_request(f"cache.{name} must be a number of seconds, zero or more", f"cache.{name}")
    return float(min(value, _LONGEST))


def _flag(body: dict[str, Any], name: str, *, default: bool) -> bool:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise bad_request(f"cache.{name} must be true or false", f"cache.{name}")
    return value


def _namespace(value: Any, param: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not NAMESPACE.fullmatch(value):
        raise bad_request("a namespace must be 1 to 128 characters of A-Z a-z 0-9 . _ : -", param)
    return value
