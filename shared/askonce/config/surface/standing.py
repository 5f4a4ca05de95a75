"""What stands in one file: every setting of LiteLLM's in it, with what comes of it here."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from askonce.config.surface.rows import NOT_KNOWN, Standing, Verdict
from askonce.config.surface.table import PREFIXES, setting

_OURS: Final = "askonce"


def standing(document: Mapping[str, Any], ignored: Sequence[str]) -> tuple[Standing, ...]:
    """In the file's order; what several entries of a list say, and a section without effect, is one line.

    `ignored` is what loading found to be without effect, each "name: why"; it counts before what the tables say.
    """
    told = dict(line.partition(": ")[::2] for line in ignored)
    found: dict[str, Standing] = {}
    for prefix, name, value in _members("", document, told):
        path = prefix + name
        found.setdefault(path, _line(prefix, name, value, told.get(path)))
    return tuple(found.values())


def _members(prefix: str, values: Mapping[str, Any], told: Mapping[str, str]) -> Iterator[tuple[str, str, Any]]:
    """Prefix, name and value of every setting, those of the sections that the tables know one by one."""
    for name, value in values.items():
        if prefix + name == _OURS:
            continue
        inner, each = f"{prefix}{name}.", f"{prefix}{name}[]."
        if prefix + name in told or not {inner, each} & PREFIXES:
            yield prefix, name, value
        elif isinstance(value, dict):
            yield from _members(inner, value, told)
        elif isinstance(value, list):
            for entry in value:
                yield from _members(each, entry, told)


def _line(prefix: str, name: str, value: Any, why: str | None) -> Standing:
    if why is not None:
        return Standing(name=prefix + name, verdict=Verdict.NOT, words=why)
    row = setting(prefix, name, value)
    if row is None:
        return Standing(name=prefix + name, verdict=Verdict.NOT, words=NOT_KNOWN)
    return Standing(name=prefix + name, verdict=row.verdict, words=row.words)
