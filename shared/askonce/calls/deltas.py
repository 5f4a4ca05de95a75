"""How the pieces of a streamed answer become whole. Knows shapes (text, lists, objects), and no route.

A fold takes everything that one member was given in the course of a stream, in order, and makes one value of it, or
raises Uncertain. Null says nothing beside a value; neither do an empty text and an empty list.
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import orjson

from askonce.calls.endpoint import Body, Uncertain

Fold = Callable[[list[Any]], Any]


def once(values: list[Any]) -> Any:
    """A value said once, or the same each time; objects are joined member by member, lists by their items' index."""
    said = [value for value in values if value is not None]
    told = [value for value in said if value not in ("", [])] or said[:1]
    if len(told) < 2:
        return told[0] if told else None
    first = told[0]
    if all(isinstance(value, dict) for value in told):
        return _join(told, {})
    if all(_same(first, value) for value in told):
        return first
    if all(isinstance(value, list) for value in told):
        return _by_index(told, members({}))
    raise Uncertain("two different values")


def text(values: list[Any]) -> Any:
    """Fragments of text, one after another."""
    said = [value for value in values if value is not None]
    if said and all(isinstance(value, str) for value in said):
        return "".join(said)
    return once(said)


def base64(values: list[Any]) -> Any:
    """Fragments of base64: cut anywhere, or each encoded by itself."""
    said = [value for value in values if value]
    if not all(isinstance(value, str) for value in said) or not any(value.endswith("=") for value in said[:-1]):
        return text(values)
    try:
        return b64encode(b"".join(b64decode(value, validate=True) for value in said)).decode()
    except NotBase64:
        raise Uncertain("base64 with padding in its middle") from None


def extended(values: list[Any]) -> Any:
    """Lists, one after another."""
    said = [value for value in values if value is not None]
    if said and all(isinstance(value, list) for value in said):
        return [item for value in said for item in value]
    return once(said)


def members(folds: Mapping[str, Fold], *, dropped: str | None = None) -> Fold:
    """Objects, member by member: by these folds, and by `once` where none is named."""

    def fold(values: list[Any]) -> Any:
        said = [value for value in values if value is not None]
        if not all(isinstance(value, dict) for value in said):
            return once(said)
        return _join(said, folds, dropped) if said else None

    return fold


def indexed(item: Fold) -> Fold:
    """Lists whose items say by `index` which of them they continue. Without any index: as `once`."""

    def fold(values: list[Any]) -> Any:
        said = [value for value in values if value is not None]
        if not said or not any(_has_index(one) for value in said if isinstance(value, list) for one in value):
            return once(said)
        return _by_index(said, item)

    return fold


def counted(values: list[Any]) -> Any:
    """Counts that only grow: the last is the total. Some providers send the usage so far with every chunk."""
    said = [value for value in values if value is not None]
    if not all(_grown(earlier, later) for earlier, later in pairwise(said)):
        raise Uncertain("two different values")
    return said[-1] if said else None


def earliest(values: list[Any]) -> Any:
    """The first time named. Zero is none: it is what Azure sends with the results of its prompt filter."""
    said = [value for value in values if value is not None]
    return next((value for value in said if value != 0), said[0] if said else None)


def _join(objects: list[Body], folds: Mapping[str, Fold], dropped: str | None = None) -> Body:
    gathered: dict[str, list[Any]] = {}
    for one in objects:
        for name, value in one.items():
            gathered.setdefault(name, []).append(value)
    joined: Body = {}
    for name, values in gathered.items():
        if name == dropped:
            continue
        try:
            joined[name] = folds.get(name, once)(values)
        except Uncertain as doubt:
            raise Uncertain(f"{name}: {doubt}") from None
    return joined


def _by_index(lists: list[Any], item: Fold) -> list[Any]:
    gathered: dict[int, list[Any]] = {}
    for one in lists:
        if not isinstance(one, list) or not all(_has_index(value) for value in one):
            raise Uncertain("a list without index")
        for value in one:
            gathered.setdefault(value["index"], []).append(value)
    return [item(gathered[index]) for index in sorted(gathered)]


def _has_index(value: Any) -> bool:
    return isinstance(value, dict) and type(value.get("index")) is int


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON, where true is not 1."""
    return bool(one == other) and orjson.dumps(one, option=_SORTED) == orjson.dumps(other, option=_SORTED)


_SORTED = orjson.OPT_SORT_KEYS


def _grown(earlier: Any, later: Any) -> bool:
    if isinstance(earlier, dict) and isinstance(later, dict):
        return all(name in later and _grown(value, later[name]) for name, value in earlier.items())
    if type(earlier) in (int, float) and type(later) in (int, float):
        return bool(later >= earlier)
    return earlier is None or _same(earlier, later)
