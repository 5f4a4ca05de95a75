"""The folder of `up`: one holder at a time, and nobody else's to read."""

import stat
from pathlib import Path

import pytest

from askonce.core.errors import ConfigError
from askonce.runtime.datadir import held, write_private


def test_a_held_folder_is_refused_by_name_and_free_again_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    with held(folder):
        with pytest.raises(ConfigError, match="another `askonce up` holds") as refused, held(folder):
            raise AssertionError("held twice")
        assert str(folder / "lock") in str(refused.value)
        with held(tmp_path / "another"):
            pass
    with held(folder):
        pass


def test_an_error_inside_lets_go_of_it(tmp_path: Path) -> None:
    with pytest.raises(LookupError), held(tmp_path):
        raise LookupError
    with held(tmp_path):
        pass


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file/below"), held(tmp_path / "file" / "below"):
        raise AssertionError("held")


def test_what_is_made_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with held(folder):
        write_private(folder / "secret", "word")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    write_private(folder / "secret", "new")
    assert (folder / "secret").read_text() == "new"
