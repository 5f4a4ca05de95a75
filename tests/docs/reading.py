"""Reads the pages for users: their parts, their tables, and what they name."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
SPAN = re.compile(r"`([^`]+)`")


def page(name: str) -> str:
    return (DOCS / name).read_text()


def part(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one."""
    assert f"\n{heading}\n" in text, heading
    return re.split(r"^#+ ", text.partition(f"\n{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of all tables, heads left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rules = [n for n, line in enumerate(lines) if line.startswith("|---")]
    body = [line for n, line in enumerate(lines) if n not in rules and n + 1 not in rules]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body]


def words(text: str) -> list[str]:
    """What the first cells of a table name."""
    return [word for row in rows(text) for word in SPAN.findall(row[0])]
