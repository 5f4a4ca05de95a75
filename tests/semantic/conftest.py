from functools import cache
from pathlib import Path

import pytest

from askonce.config.rules import read_rules
from askonce.semantic.rules import Rules


@cache
def own_rules() -> Rules:
    return read_rules(None)


@pytest.fixture(scope="session")
def rules() -> Rules:
    return own_rules()


@pytest.fixture
def with_rules(tmp_path: Path):
    """The rules with a file of one's own over them."""

    def read(text: str) -> Rules:
        path = tmp_path / "rules.yaml"
        path.write_text(text, encoding="utf-8")
        return read_rules(path)

    return read
