"""One version, wherever it is written: whoever raises it raises it everywhere."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

PROJECT = Path(__file__).parents[2]
VERSION = str(tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def found(file: str, pattern: str) -> set[str]:
    return set(re.findall(pattern, (PROJECT / file).read_text(encoding="utf-8"), re.MULTILINE))


def test_the_changelog_begins_with_this_version() -> None:
    headings = re.findall(
        r"^## (\S+)(?: \((.+)\))?$", (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert headings[0][0] == VERSION
    assert re.fullmatch(r"unreleased|\d{4}-\d\d-\d\d", headings[0][1])


def test_the_image_and_its_tag_have_this_version() -> None:
    assert found("compose/.env.example", r"^#?ASKONCE_VERSION=(.*)$") == {VERSION}
    assert found("compose/compose.yaml", r"\$\{ASKONCE_VERSION:-([^}]*)\}") == {VERSION}
    assert found("compose/Dockerfile", r"^ARG VERSION=(.*)$") == {VERSION}


def test_what_is_installed_here_has_this_version() -> None:
    assert version("askonce") == VERSION
