"""docs/litellm.md says what the tables of LiteLLM's surface say, and names every difference that the tests know."""

import re
from collections.abc import Iterable
from pathlib import Path

from askonce.calls.table import ENDPOINTS
from askonce.config.surface.rows import Row, Table
from askonce.config.surface.table import CONTROLS, HEADERS, ROUTES, SETTINGS, VARIABLES, named
from askonce.stores.registry import STORES
from tests.docs.reading import page, part, rows, words

PAGE = page("litellm.md")
BEHAVIOURS = Path(__file__).parents[1] / "litellm" / "behaviours"
BEGIN, END = "## Settings\n", "## Differences on purpose\n"
SEEN, OTHERS = "### Seen by `make compare-litellm`", "### Others"
CHAPTERS: dict[str, Iterable[Table]] = {
    "## Settings": SETTINGS,
    "## Variables": VARIABLES,
    "## Requests": CONTROLS,
    "## Headers": HEADERS,
    "## Routes": ROUTES,
}
# What is broken in LiteLLM's source, mended here: litellm_settings, stores, lives, keys, controls, routes.
MENDED = {
    *("type-trap", "memory-ttl", "copies-in-memory", "delete-everywhere", "refreshed-entries", "key-order"),
    *("key-of-its-own", "entries-are-ours", "lives-of-others", "qdrant-points", "flush-own-namespace"),
    *("ping-everywhere", "buffered-writes", "embeddings-and-controls", "keys-are-ours", "wrong-controls"),
    "redis-semantic-login",
}


def shown(row: Row) -> str:
    said = re.sub(r"(?<!`)\b((?:askonce|\w+_settings)\.[a-z_.]*[a-z_])", r"`\1`", row.words)
    return f"| {', '.join(f'`{name}`' for name in row.names)} | {row.verdict} | {said} |".replace("  |", " |")


def tables() -> str:
    """The part of the page that is written by the code."""
    lines: list[str] = []
    for chapter, found in CHAPTERS.items():
        lines += [chapter, ""]
        for table in found:
            lines += [f"### {table.title}", "", "| name | | |", "|---|---|---|", *map(shown, table.rows), ""]
    return "\n".join(lines)


def test_the_tables_are_those_of_the_code() -> None:
    written = BEGIN + PAGE.partition(BEGIN)[2].partition(END)[0]
    told = tables()
    mend = f"docs/litellm.md: from '{BEGIN.strip()}' to '{END.strip()}' put\n\n{told}\n"
    assert written.rstrip() == told.rstrip(), mend


def test_the_differences_that_the_tests_mark_are_those_of_the_page() -> None:
    text = "".join(path.read_text() for path in BEHAVIOURS.glob("test_*.py"))
    marked = set(re.findall(r'pytest\.mark\.differs\("([^"]+)"\)', text))
    assert len(marked) > 10
    assert words(part(PAGE, SEEN)) == sorted(marked)


def test_a_difference_has_one_name_and_says_both_sides() -> None:
    told = words(part(PAGE, SEEN)) + words(part(PAGE, OTHERS))
    assert len(set(told)) == len(told)
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", name) for name in told)
    assert words(part(PAGE, OTHERS)) == sorted(words(part(PAGE, OTHERS)))
    assert all(all(cells) and len(cells) == 3 for cells in rows(part(PAGE, SEEN)) + rows(part(PAGE, OTHERS)))


def test_every_bug_that_is_mended_is_told() -> None:
    assert set(words(part(PAGE, SEEN)) + words(part(PAGE, OTHERS))) >= MENDED


def test_what_is_built_is_told_as_built() -> None:
    built = {name for name, row in named((*SETTINGS, *ROUTES)) if row.verdict != "not"}
    assert {f"litellm_settings.cache_params.type: {kind}" for kind in STORES} <= built
    assert {f"POST {path}" for endpoint in ENDPOINTS for path in endpoint.paths} <= built
