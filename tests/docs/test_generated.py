"""The generated parts of the pages are what the code writes now; `make docs` writes them anew."""

import pytest

from docs.generate.configuration import default
from docs.generate.pages import END, PAGES, begin, renewed
from tests.docs.reading import page


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_the_code_writes_it(name: str) -> None:
    assert page(name) == renewed(page(name), PAGES[name]), f"docs/{name} is behind: make docs"


def test_only_what_stands_between_the_marks_is_written() -> None:
    text = f"before\n{begin('a')}\nold\n{END}\nbetween\n{begin('b')}\n{END}\nafter\n"
    fresh = renewed(text, {"a": lambda: "new", "b": lambda: "x"})
    assert fresh == f"before\n{begin('a')}\n\nnew\n\n{END}\nbetween\n{begin('b')}\n\nx\n\n{END}\nafter\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{begin('a')}\n",
        f"{begin('a')}\n{END}\n{begin('a')}\n{END}\n",
        f"{begin('a')}\n{begin('b')}\n{END}\n",
        f"{begin('a')}\n{END}\n{begin('stranger')}\n{END}\n",
    ],
)
def test_a_page_without_its_marks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(a|b|stranger): "):
        renewed(text, {"a": lambda: "new"})


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("memory_bytes", 256 << 20, "`268435456` (256 MiB)"),
        ("memory_bytes", 1500, "`1500`"),
        ("outbox_age", 3600.0, "`3600`"),
        ("memory_recheck", 0.25, "`0.25`"),
        ("frontends", None, ""),
        ("broadcast_bytes", 0, "`0`"),
    ],
)
def test_a_default_is_told_as_one_would_write_it(name: str, value: object, shown: str) -> None:
    assert default(name, value) == shown
