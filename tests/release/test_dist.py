"""What is released: a wheel and a source archive, looked into, built twice, and installed where nothing else is."""

import json
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.stack import chat, config, environment
from tests.servers import need

PROJECT = Path(__file__).parents[2]
EPOCH = "1700000000"
AT_THE_TOP = {
    ".ci", ".dockerignore", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "PKG-INFO",
    "README.md", "benchmarks", "compose", "docs", "frontend", "grafana", "pyproject.toml", "requirements-build.lock",
    "requirements-dev.lock", "requirements-servers.lock", "requirements.lock", "shared", "tests", "writer",
}  # fmt: skip

pytestmark = pytest.mark.timeout(400)  # an environment is made from nothing


class Dist(NamedTuple):
    wheel: Path
    source: Path


def build(project: Path, folder: Path) -> Dist:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)],
        cwd=project, env=environment(SOURCE_DATE_EPOCH=EPOCH), check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return Dist(next(folder.glob("*.whl")), next(folder.glob("*.tar.gz")))


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Dist:
    return build(PROJECT, tmp_path_factory.mktemp("dist"))


def names_in(source: Path) -> set[str]:
    """Files of the archive, seen from its top."""
    with tarfile.open(source) as archive:
        return {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}


# -- looked into -----------------------------------------------------------------------------------------------------


def test_the_wheel_is_one_package_with_its_licence_and_nothing_else(dist: Dist) -> None:
    with zipfile.ZipFile(dist.wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    info = {name.partition("/")[2] for name in names if not name.startswith("askonce/")}
    assert info == {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    code = names - {name for name in names if ".dist-info/" in name}
    assert {name for name in code if not name.endswith(".py")} == {"askonce/semantic/rules.yaml"}
    assert not [name for name in code if "/tests/" in name or "__init__" in name]
    assert {"askonce/cli.py", "askonce/commands/healthy.py", "askonce/toy/provider.py"} <= code
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata
    assert "# askonce" in metadata, "the README is its description"


def test_the_source_archive_holds_what_building_and_testing_need_and_no_more(dist: Dist) -> None:
    names = names_in(dist.source)
    assert {name.partition("/")[0] for name in names} == AT_THE_TOP
    strange = re.compile(
        r"(^|/)(\.env|\.venv|\.bench|\.askonce|node_modules|__pycache__)(/|$)|^compose/secrets/|\.pyc$"
    )
    assert not [name for name in names if strange.search(name)]


def test_every_file_of_the_repository_is_in_the_source_archive(dist: Dist) -> None:
    git = need("a checkout by git", shutil.which("git") if (PROJECT / ".git").exists() else None)
    listed = subprocess.run([git, "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True)
    tracked = {name for name in listed.stdout.split("\0") if name and (PROJECT / name).exists()}
    assert len(tracked) > 100
    assert tracked <= names_in(dist.source)


def test_the_source_archive_builds_the_same_wheel_to_the_byte(dist: Dist, tmp_path: Path) -> None:
    with tarfile.open(dist.source) as archive:
        archive.extractall(tmp_path, filter="data")
    (project,) = tmp_path.iterdir()
    again = build(project, tmp_path / "again")
    with zipfile.ZipFile(dist.wheel) as first, zipfile.ZipFile(again.wheel) as second:
        sums = [{one.filename: one.CRC for one in archive.infolist()} for archive in (first, second)]
    assert sums[0] == sums[1]
    assert again.wheel.read_bytes() == dist.wheel.read_bytes()
    assert names_in(again.source) == names_in(dist.source)


# -- installed -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare(dist: Dist, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a fresh environment with the locked packages and the wheel; no part of this project is near it."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", str(folder), "install"]
    locked = [*pip, "--no-compile", "--require-hashes", "-r", str(PROJECT / "requirements.lock")]
    for command in (
        locked,
        [*pip, "--no-index", str(dist.wheel)],
    ):  # without an index, so that no requirement is missing
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
    return folder / "bin"


def run(bare: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(bare / "askonce"), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def started(bare: Path, *arguments: str, cwd: Path) -> Iterator[str]:
    """One command that says `ready: URL`; gives that URL. It must leave well."""
    with (cwd / f"{arguments[0]}.errors").open("w") as errors:
        process = subprocess.Popen(
            [str(bare / "askonce"), *arguments], cwd=cwd, env=environment(), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
        )  # fmt: skip
    told = ""
    assert process.stdout is not None
    try:
        for line in process.stdout:
            told += line
            if ready := re.match(r"ready: (\S+)", line):
                yield ready[1]
                break
        else:
            pytest.fail(told + (cwd / f"{arguments[0]}.errors").read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        process.stdout.close()
    assert process.wait(timeout=60) == 0


def ask(url: str) -> tuple[int, str, bytes]:
    request = urllib.request.Request(f"{url}/chat/completions", json.dumps(chat("Is it whole?")).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, answer.headers["Cache-Status"], answer.read()


def test_what_is_installed_tells_its_versions_and_checks_settings(bare: Path, dist: Dist, tmp_path: Path) -> None:
    told = run(bare, "version", "--json", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert dist.wheel.name.startswith(f"askonce-{json.loads(told.stdout)['askonce']}-")
    with started(bare, "toy", "--port", "0", cwd=tmp_path) as base:
        (tmp_path / "config.yaml").write_text(config(base))
        checked = run(bare, "check", "--config", "config.yaml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"ok   provider {base}: HTTP 200" in checked.stdout
    assert list(bare.parent.glob("lib/*/site-packages/askonce/cli.py"))
    assert not list(bare.parent.glob("lib/*/site-packages/pytest"))


def test_what_is_installed_answers_a_miss_and_then_a_hit(bare: Path, tmp_path: Path) -> None:
    with started(bare, "toy", "--port", "0", "--latency", "0", cwd=tmp_path) as base:
        (tmp_path / "config.yaml").write_text(config(base))
        arguments = ("up", "--config", "config.yaml", "--port", "0", "--frontends", "1")
        with started(bare, *arguments, cwd=tmp_path) as url:
            first, again = ask(url), ask(url)
    assert (first[0], again[0]) == (200, 200)
    assert "fwd=miss" in first[1]
    assert "; hit" in again[1]
    assert json.loads(first[2])["choices"] == json.loads(again[2])["choices"]
