"""The parts of the pages that code writes: between two comments, so that what people write stands around them."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from docs.generate import configuration, litellm, metrics

FOLDER: Final = Path(__file__).parents[1]
END: Final = "<!-- end -->"
_BEGIN: Final = re.compile(r"^<!-- generated: (.*) -->$", re.MULTILINE)

PAGES: Final[Mapping[str, Mapping[str, Callable[[], str]]]] = {
    "configuration.md": {"settings": configuration.settings},
    "litellm.md": {"surface": litellm.surface},
    "metrics.md": {"metrics": metrics.table, "words": metrics.words},
}
"""For each page its parts, and what writes them: Markdown without an empty line around it."""


def begin(part: str) -> str:
    return f"<!-- generated: {part} -->"


def renewed(text: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """The page with these parts written anew. Raises ValueError, naming the part, where the page has not each once, or
    has others.
    """
    there = _BEGIN.findall(text)
    for part in {*there, *parts}:
        if there.count(part) != 1 or part not in parts:
            raise ValueError(f"{part}: not a part that stands in the page once, and is written by code")
    for part, write in parts.items():
        before, _, rest = text.partition(begin(part))
        old, found, after = rest.partition(END)
        if not found or _BEGIN.search(old):
            raise ValueError(f"{part}: has no end")
        text = f"{before}{begin(part)}\n\n{write()}\n\n{END}{after}"
    return text
