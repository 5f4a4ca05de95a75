"""The command line as its users meet it: exit codes, words on the screen, and never a traceback for their mistakes."""

import asyncio
import os
import re
from pathlib import Path

import pytest

from askonce.cli import main
from askonce.toy.provider import Toy, serving
from tests.e2e import commands
from tests.e2e.commands import SECRETS, clean, run
from tests.e2e.stack import config, environment
from tests.servers import NatsServer, Valkey, free_port

base = commands.base


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and nothing in the environment that steers askonce."""
    monkeypatch.chdir(tmp_path)
    kept = environment()
    for name in set(os.environ) - set(kept):
        monkeypatch.delenv(name)
    return tmp_path


# -- arguments and settings: nothing is started ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--help"], ["askonce demo", "askonce up", "check", "frontend", "writer"]),
        (
            ["up", "--help"],
            ["--frontends N", "--writers M", "--data-dir DIR", "--port P", "--nats URL", "--config FILE"],
        ),
        (["demo", "--help"], ["toy provider"]),
        (["--version"], ["askonce 0."]),
    ],
    ids=lambda value: " ".join(value) if value and value[-1].startswith("--") else "",
)
def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str], arguments: list[str], said: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    assert all(words in told for words in said), told
    assert "supervised" not in told, "what is only between our processes is nobody's business"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "COMMAND"),
        (["serve"], "invalid choice: 'serve'"),
        (["up", "--port", "abc"], "a port from 0 to 65535"),
        (["up", "--port", "70000"], "a port from 0 to 65535"),
        (["up", "--port", "-1"], "a port from 0 to 65535"),
        (["up", "--frontends", "0"], "a number from 1 to 256"),
        (["up", "--writers", "many"], "a number from 1 to 256"),
        (["demo", "--config", "x"], "unrecognized arguments"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_are_exit_2(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert said in told
    assert "usage: askonce" in told


WRONG = {
    "no file": (None, ["config.yaml", "No such file"]),
    "no YAML": ("model_list: [", ["config.yaml"]),
    "a list": ("- model_list", ["config.yaml", "mapping"]),
    "bytes": ("\0\1\2", ["config.yaml"]),
    "a text for a switch": ("litellm_settings: {cache: perhaps-SECRET}", ["litellm_settings.cache", "true or false"]),
    "a text for a number": (
        "litellm_settings: {cache: true, cache_params: {type: local, ttl: long-SECRET}}",
        ["litellm_settings.cache_params.ttl", "number"],
    ),
    "an unknown type": (
        "litellm_settings: {cache: true, cache_params: {type: sqlite-SECRET}}",
        ["litellm_settings.cache_params.type", "must be one of", "disk", "redis"],
    ),
    "a variable that is not set": (
        "general_settings: {master_key: os.environ/NOT_THERE}",
        ["general_settings.master_key", "NOT_THERE is not set"],
    ),
    "an empty master key": ("general_settings: {master_key: ''}", ["general_settings.master_key", "not empty"]),
    "no model": ("model_list: [{model_name: a, litellm_params: {}}]", ["model_list[0].litellm_params.model"]),
    "two at once": ("askonce: {port: SECRET, frontends: 0}", ["askonce.port", "askonce.frontends"]),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("command", ["up", "check", "frontend", "writer"])
def test_wrong_settings_are_exit_2_with_file_key_and_what_was_expected(
    home: Path, capsys: pytest.CaptureFixture[str], case: str, command: str
) -> None:
    text, said = WRONG[case]
    if text is not None:
        (home / "config.yaml").write_text(text)
    assert main([command, "--config", "config.yaml"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("askonce: ")
    assert all(words in told.err for words in ["config.yaml", *said]), told.err
    clean(told.err)


def test_a_wrong_variable_is_named_as_one(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASKONCE_MAX_ENTRY_BYTES", "much-SECRET")
    assert main(["check"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("askonce: environment: ASKONCE_MAX_ENTRY_BYTES: ")
    clean(told)


@pytest.mark.parametrize("command", ["frontend", "writer"])
def test_a_part_by_itself_wants_a_queue(home: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command]) == 2
    assert "--nats" in capsys.readouterr().err


# -- check -----------------------------------------------------------------------------------------------------------


async def test_check_shows_what_is_in_force_and_hides_what_is_secret(tmp_path: Path, base: str) -> None:
    nats = NatsServer(tmp_path / "nats")
    nats.start()
    cache = "  cache: true\n  nonsense: 1\n  num_retries: 2\n"
    text = config(base.replace("://", "://user:url-SECRET@"), cache, SECRETS)
    (tmp_path / "config.yaml").write_text(text)
    (tmp_path / ".env").write_text(f"REDIS_URL=redis://:redis-SECRET@127.0.0.1:{free_port()}/1\nASKONCE_WRITERS=3\n")
    try:
        code, output = await run("check", "--config", "config.yaml", cwd=tmp_path, ASKONCE_NATS_URL=nats.url)
    finally:
        nats.stop()
    assert code == 1, output
    for words in (
        r"^config +config\.yaml$",
        r"^master key +set$",
        r"^model \* +openai/\* at http://127\.0\.0\.1:\d+/v1, its own key$",
        r"^cache +redis$",
        r"^cache server +redis://127\.0\.0\.1:\d+/1$",
        r"^askonce\.writers +3$",
        r"^not +litellm_settings\.nonsense +: not known$",
        r"^routing +simple-shuffle, 2 retries; ",
        r"^works +litellm_settings\.num_retries$",
        r"^works +router_settings\.routing_strategy$",
        r"^not +guardrails +: not built yet$",
        r"^not +model_list\[\]\.litellm_params\.api_base +: user and password in it",
        r"^FAIL store: redis: cannot be reached$",
        r"^ok +queue: NATS 2\.\S+ with JetStream answers$",
        r"^ok +provider http://127\.0\.0\.1:\d+/v1: HTTP 200$",
    ):
        assert re.search(words, output, re.MULTILINE), f"{words} in:\n{output}"


async def test_check_is_0_where_all_is_well_and_1_where_a_provider_is_not(tmp_path: Path, base: str) -> None:
    async with serving(Toy(latency=0, pace=0, clock=lambda: 0.0, api_key="sk-another")) as strict:
        cases = {
            "well": config(base),
            "away": config(f"http://127.0.0.1:{free_port()}/v1"),
            "strict": config(strict),
        }
        for name, text in cases.items():
            (tmp_path / name).mkdir()
            (tmp_path / name / "config.yaml").write_text(text)
        outcomes = await asyncio.gather(
            *(run("check", "--config", "config.yaml", cwd=tmp_path / name) for name in cases)
        )
    (well, said_well), (away, said_away), (strict_code, said_strict) = outcomes
    assert well == 0, said_well
    assert "FAIL" not in said_well
    assert away == 1
    assert "FAIL provider" in said_away
    assert strict_code == 1
    assert "the configured key is turned away (HTTP 401)" in said_strict


async def test_check_asks_the_redis_that_counts_limits(tmp_path: Path, base: str) -> None:
    valkey = Valkey(tmp_path / "valkey")
    valkey.start()
    keys, limits = "general_settings: {{master_key: sk-SECRET}}\n", "  cache: true\n  cache_params: {type: local}\n"
    redis = "general_settings: {{master_key: sk-SECRET, coordination_redis: {{host: 127.0.0.1, port: {}}}}}\n"
    cases = {
        "well": config(base, limits, redis.format(valkey.port)),
        "away": config(base, limits, redis.format(free_port())),
        "same": config(
            base,
            f"  cache: true\n  cache_params: {{type: redis, host: 127.0.0.1, port: {valkey.port}}}\n",
            keys.format(),
        ),
    }
    for name, text in cases.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(text)
    try:
        (well, said_well), (away, said_away), (same, said_same) = await asyncio.gather(
            *(run("check", "--config", "config.yaml", cwd=tmp_path / name) for name in cases)
        )
    finally:
        valkey.stop()
    assert (well, away, same) == (0, 1, 0), said_well + said_away + said_same
    assert "ok   limits: redis answers\n" in said_well
    said = "FAIL limits: redis: cannot be reached: each process counts for itself until it can\n"
    assert said in said_away
    assert "ok   store: redis answers" in said_same
    assert "limits: " not in said_same, "it was asked already"


async def test_without_a_config_everything_goes_to_openai_or_where_the_variable_says(tmp_path: Path, base: str) -> None:
    (tmp_path / ".env").write_text(f"OPENAI_BASE_URL={base}\nOPENAI_API_KEY=sk-SECRET\nREDIS_URL=\n")
    code, output = await run("check", cwd=tmp_path)
    assert code == 0, output
    assert re.search(rf"^model \* +openai/\* at {base}, the client's own key$", output, re.MULTILINE), output
    assert re.search(r"^cache +disk$", output, re.MULTILINE)
