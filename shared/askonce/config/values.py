"""Single values of the file or the environment, made into what a setting needs. Knows types, and no setting.

An error says what was expected and never what was found, which may be a secret.
"""

import datetime as dt
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

REFERENCE: Final = "os.environ/"
_YES: Final = frozenset({"true", "1", "yes", "on"})
_NO: Final = frozenset({"false", "0", "no", "off"})


def names(written: str) -> frozenset[str]:
    """Words of a table of names."""
    return frozenset(written.split())


class Wrong(ValueError):
    """A value that cannot be used. Its text is what was expected."""


class Unset(Wrong):
    """A reference to a variable that is not there. Its text says so, with the variable's name."""


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong("must be text (put it in quotes)")
    return value


def line(value: Any) -> str:
    """Text that can be sent as a header: outer space goes, control characters are refused."""
    found = text(value).strip()
    if not found.isprintable():
        raise Wrong("must be one line of text")
    return found


def base_url(value: Any) -> str:
    """An http or https address without trailing slashes."""
    found = line(value).rstrip("/")
    try:
        parts = urlsplit(found)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Wrong("must be an address that begins with http:// or https://")
    return found


def number(value: Any) -> float:
    """Zero or more, finite; text with digits counts, because variables are text."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise Wrong("must be a number, zero or more")
    return float(value)


def positive(value: Any) -> float:
    found = number(value)
    if found == 0:
        raise Wrong("must be a number above zero")
    return found


def whole(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Wrong("must be a whole number, zero or more")
    return value


def flag(value: Any) -> bool:
    """True or false, and what people write for them in variables."""
    if isinstance(value, bool):
        return value
    written = value.strip().lower() if isinstance(value, str) else str(value) if isinstance(value, int) else ""
    if written in _YES:
        return True
    if written in _NO:
        return False
    raise Wrong("must be true or false")


def above_zero(value: Any) -> int:
    found = whole(value)
    if found == 0:
        raise Wrong("must be a whole number above zero")
    return found


def fraction(value: Any) -> float:
    """A number from 0 to 1; text with digits counts."""
    try:
        found = number(value)
    except Wrong:
        found = math.nan
    if not 0 <= found <= 1:
        raise Wrong("must be a number from 0 to 1")
    return found


def spelt(value: Any) -> str:
    """Text, also where YAML makes a date of it: 2006-03-01."""
    return value.isoformat() if type(value) is dt.date else text(value)


def from_json(written: str) -> Any:
    """What JSON text stands for, also where it stands between quotes of its own: `"[{"host": "h"}]"` is how a `.env` is
    often written, and how some starters of processes hand it on.
    """
    within = written.strip()
    if len(within) > 1 and within[0] == within[-1] and within[0] in "'\"":
        within = within[1:-1]
    for candidate in (written, within, within.replace('\\"', '"')):
        with suppress(orjson.JSONDecodeError):
            found = orjson.loads(candidate)
            if not isinstance(found, str):
                return found
    raise Wrong("must be JSON")


def json_value(value: Any) -> Any:
    """As JSON will hold it: YAML takes `50256: -100` of a logit_bias for a number with a number, JSON needs text."""
    try:
        return orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    except TypeError:
        raise Wrong("must be something that JSON can hold") from None


def mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Wrong("must be a mapping of names to values")
    return {str(name): member for name, member in value.items()}


def listing(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Wrong("must be a list")
    return value


def one_of(*words: str) -> Callable[[Any], str]:
    """A reader for one word out of these."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise Wrong(f"must be one of {', '.join(words)}")
        return value

    return read


def resolve(value: Any, variables: Mapping[str, str]) -> Any:
    """The value with every `os.environ/NAME`, at any depth, replaced by the variable. Raises Unset."""
    if isinstance(value, str) and value.startswith(REFERENCE):
        name = value.removeprefix(REFERENCE)
        if name not in variables:
            raise Unset(f"{name} is not set")
        return variables[name]
    if isinstance(value, dict):
        return {key: resolve(member, variables) for key, member in value.items()}
    if isinstance(value, list):
        return [resolve(member, variables) for member in value]
    return value


def place(written: str | Path, cwd: Path, variables: Mapping[str, str]) -> Path:
    """A path as written, seen from `cwd`; a leading `~` is the home that the variables name."""
    path = Path(written)
    if path.parts[:1] == ("~",) and "HOME" in variables:
        path = Path(variables["HOME"], *path.parts[1:])
    return cwd / path
