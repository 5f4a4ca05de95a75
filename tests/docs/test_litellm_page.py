"""docs/litellm.md names every difference that the tests know; its tables are written by the code."""

import re
from pathlib import Path

from askonce.calls.table import ENDPOINTS
from askonce.config.surface.table import ROUTES, SETTINGS, named
from askonce.stores.registry import STORES
from tests.docs.reading import page, part, rows, words

PAGE = page("litellm.md")
BEHAVIOURS = Path(__file__).parents[1] / "litellm" / "behaviours"
SEEN, OTHERS = "### Seen by `make compare-litellm`", "### Others"
# What is broken in LiteLLM's source, mended here: litellm_settings, stores, lives, keys, controls, routes.
MENDED = {
    *("type-trap", "memory-ttl", "copies-in-memory", "delete-everywhere", "refreshed-entries", "key-order"),
    *("key-of-its-own", "entries-are-ours", "lives-of-others", "qdrant-points", "flush-own-namespace"),
    *("ping-everywhere", "buffered-writes", "embeddings-and-controls", "keys-are-ours", "wrong-controls"),
    "redis-semantic-login",
}


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
