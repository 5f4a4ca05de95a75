"""The tables of docs/litellm.md: all that LiteLLM documents of its files, requests, headers and routes."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from askonce.config.surface.rows import Row, Table
from askonce.config.surface.table import CONTROLS, HEADERS, ROUTES, SETTINGS, VARIABLES

_CHAPTERS: Final[Mapping[str, Iterable[Table]]] = {
    "## Settings": SETTINGS,
    "## Variables": VARIABLES,
    "## Requests": CONTROLS,
    "## Headers": HEADERS,
    "## Routes": ROUTES,
}


def surface() -> str:
    lines: list[str] = []
    for chapter, found in _CHAPTERS.items():
        lines += [chapter, ""]
        for table in found:
            lines += [f"### {table.title}", "", "| name | | |", "|---|---|---|", *map(_shown, table.rows), ""]
    return "\n".join(lines).rstrip()


def _shown(row: Row) -> str:
    said = re.sub(r"(?<!`)\b((?:askonce|\w+_settings)\.[a-z_.]*[a-z_])", r"`\1`", row.words)
    return f"| {', '.join(f'`{name}`' for name in row.names)} | {row.verdict} | {said} |".replace("  |", " |")
