"""All that LiteLLM documents, in tables: what is looked up when a file is read, and what docs/litellm.md shows."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from askonce.config.patterns import STAR, stars
from askonce.config.surface import cache, models, requests, routes, sections, variables
from askonce.config.surface.rows import Row, Table, Verdict

SETTINGS: Final = (
    *models.TABLES,
    sections.LITELLM,
    *cache.TABLES,
    sections.ROUTER,
    sections.ARGUMENTS,
    sections.GENERAL,
    sections.FILE,
)
VARIABLES: Final = variables.TABLES
CONTROLS: Final = requests.CONTROLS
HEADERS: Final = (requests.ASKED, requests.ANSWERED)
ROUTES: Final = routes.TABLES

PREFIXES: Final = frozenset(table.prefix for table in SETTINGS)


def named(tables: tuple[Table, ...]) -> Iterator[tuple[str, Row]]:
    """Every name, its prefix before it, with its row."""
    for table in tables:
        for row in table.rows:
            for name in row.names:
                yield table.prefix + name, row


def _by_stars() -> Iterator[tuple[str, str, Row]]:
    for table in SETTINGS:
        for row in table.rows:
            yield from ((table.prefix, name, row) for name in row.names if STAR in name)


_EXACT: Final[Mapping[str, Row]] = dict(named(SETTINGS))
_STARRED: Final = tuple(_by_stars())


def setting(prefix: str, name: str, value: object = None) -> Row | None:
    """The row of a setting: `prefix` is that of its table, `name` as people write it. What has a row for this value of
    it has that one.
    """
    found = _EXACT.get(f"{prefix}{name}: {value}") or _EXACT.get(prefix + name)
    if found is not None:
        return found
    starred = (row for before, pattern, row in _STARRED if before == prefix and stars(pattern, name) is not None)
    return next(starred, None)


def reasons(prefix: str) -> dict[str, str]:
    """Why a setting of that table that nobody has read has no effect, for those whose names are spelt out."""
    tables = [table for table in SETTINGS if table.prefix == prefix]
    return {name: row.words for table in tables for row in table.rows for name in row.names}


def without_effect() -> dict[str, str]:
    """Variables that LiteLLM reads, and why they are not read here."""
    return {name: row.words for name, row in named(VARIABLES) if row.verdict is Verdict.NOT}


def _form(name: str) -> str:
    """A route's row as an expression for a method and a path. A row without a method is for all of them."""
    method, _, path = name.rpartition(" ")
    starred = re.escape(path).replace(r"\*", ".*")
    return f"{method or '[A-Z]+'} " + re.sub(r"\\{\w+\\}", ".+", starred)


_UNBUILT: Final = re.compile(
    "|".join(_form(name) for name, row in named(ROUTES) if row.verdict is Verdict.NOT), re.DOTALL
)


def unbuilt(method: str, path: str) -> bool:
    """Whether LiteLLM has such a route, and this proxy has none."""
    return _UNBUILT.fullmatch(f"{method} {path}") is not None
