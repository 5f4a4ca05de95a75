"""How programs of Debian's come to the tests: unpacked, or not there and said so."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.rules.reading import ROOT
from tests.servers import debian_binary, need

SCRIPT = ROOT / "tests" / "debs.sh"
COMMANDS = ("sh", "mktemp", "rm", "id", "tr", "grep", "sort", "tail", "sed")


def unpack(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [shutil.which("sh") or "sh", str(SCRIPT), str(folder)]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_without_apt_one_line_says_so_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "path").mkdir()
    for name in COMMANDS:
        (tmp_path / "path" / name).symlink_to(shutil.which(name) or "")
    done = unpack(tmp_path / "debs", PATH=str(tmp_path / "path"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("no apt-get here: ") and done.stdout.count("\n") == 1
    assert not (tmp_path / "debs").exists()


def test_packages_that_cannot_be_had_are_no_failure_and_leave_what_was_there(tmp_path: Path) -> None:
    need("apt-get", shutil.which("apt-get"))
    (tmp_path / "lists" / "partial").mkdir(parents=True)
    nowhere = {"Dir::State::lists": tmp_path / "lists", "Dir::Cache": tmp_path} | dict.fromkeys(
        ("Dir::Etc::sourcelist", "Dir::Etc::sourceparts", "Dir::State::status"), Path("/dev/null")
    )
    (tmp_path / "apt.conf").write_text("".join(f'{name} "{place}";\n' for name, place in nowhere.items()))
    (tmp_path / "debs").mkdir()
    (tmp_path / "debs" / "older").touch()
    done = unpack(tmp_path / "debs", APT_CONFIG=str(tmp_path / "apt.conf"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "apt-get download failed" in done.stdout
    assert "E: " in done.stdout
    assert [each.name for each in (tmp_path / "debs").iterdir()] == ["older"]


@pytest.mark.parametrize(("name", "asked"), [("promtool", "--version"), ("prometheus", "--version"), ("haproxy", "-v")])
def test_each_program_runs(name: str, asked: str) -> None:
    binary = need(name, debian_binary(name))
    done = subprocess.run([binary, asked], env={}, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert name.removesuffix("tool") in (done.stdout + done.stderr).lower()
