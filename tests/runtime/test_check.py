"""A check looks and makes nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from askonce.commands.check import check
from askonce.config.load import load
from askonce.stores.disk import FOLDER, open_environment
from tests.e2e.stack import config

NOBODY = "http://127.0.0.1:1/v1"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "config.yaml").write_text(config(NOBODY))
    yield tmp_path


def told(home: Path, capsys: pytest.CaptureFixture[str], **env: str) -> str:
    """The line about the store."""
    check(load(home / "config.yaml", env, cwd=home))
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "store: " in line)
    return line


def test_a_disk_store_that_is_not_there_yet_stays_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = told(home, capsys)
    assert line.startswith("ok   store: disk: nothing there yet; ")
    assert line.endswith(f"{FOLDER} will be made")
    assert [path.name for path in home.iterdir()] == ["config.yaml"]


def test_a_disk_store_that_is_there_answers(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    disk = load(home / "config.yaml", {}, cwd=home).cache.disk
    assert disk is not None
    open_environment(disk, writable=True).close()
    assert told(home, capsys) == "ok   store: disk answers"


def test_a_disk_store_that_could_not_be_made_is_a_failure(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "file").touch()
    line = told(home, capsys, ASKONCE_DATA_DIR="file/below")
    assert line.startswith("FAIL store: disk: ")
    assert str(home / "file") in line
    (home / "shut").mkdir(mode=0o500)
    if not os.access(home / "shut", os.W_OK):  # whoever is root may write everywhere
        assert told(home, capsys, ASKONCE_DATA_DIR="shut/below").startswith("FAIL store: disk: ")
