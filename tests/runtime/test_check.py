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


# -- LiteLLM's settings in the file ----------------------------------------------------------------------------------

FILE = f"""
model_list:
  - model_name: a
    litellm_params: {{model: openai/a, api_base: "{NOBODY}", api_key: s3cr3t, rpm: 5, ttl: 9, temperature: 0.5}}
  - model_name: b
    litellm_params: {{model: openai/b, api_base: "{NOBODY}", weight: 2, rpm: 7, ttl: 8}}
    modle: s3cr3t
router_settings: {{routing_strategy: least-busy, alerting_config: s3cr3t, timeout: 30}}
litellm_settings:
  cache: true
  cache_params: {{type: local, mode: default_off, s3_bucket_name: s3cr3t, namespace: team}}
  cahce: s3cr3t
general_settings:
guardrails: [{{guardrail_name: s3cr3t}}]
askonce: {{memory_bytes: 1000000}}
"""
TOLD = """
LiteLLM's settings in FILE
works   model_list[].model_name
works   model_list[].litellm_params.model
works   model_list[].litellm_params.api_base
works   model_list[].litellm_params.api_key
works   model_list[].litellm_params.rpm
not     model_list[].litellm_params.ttl              : no model has a cache of its own
works   model_list[].litellm_params.temperature
works   model_list[].litellm_params.weight
not     model_list[].modle                           : not known
works   router_settings.routing_strategy
not     router_settings.alerting_config              : not built yet
works   router_settings.timeout
works   litellm_settings.cache
better  litellm_settings.cache_params.type           : bounded by bytes, and in step with all other frontends
better  litellm_settings.cache_params.mode           : embeddings are found too
not     litellm_settings.cache_params.s3_bucket_name : only for type s3
works   litellm_settings.cache_params.namespace
not     litellm_settings.cahce                       : not known
not     guardrails                                   : not built yet
Elsewhere, without effect
not     REDIS_CIRCUIT_BREAKER_ENABLED                : the breaker of a store has bounds of its own
"""


def standing(home: Path, capsys: pytest.CaptureFixture[str], text: str | None, **env: str) -> list[str]:
    """What stands between the effective settings and the pings."""
    path = home / "config.yaml"
    if text is not None:
        path.write_text(text)
    check(load(None if text is None else path, env, cwd=home))
    printed = capsys.readouterr().out
    assert "s3cr3t" not in printed
    _, *parts, pings = printed.split("\n\n")
    assert "store: " in pings
    return [line for part in parts for line in part.replace(str(path), "FILE").splitlines()]


def test_each_setting_of_the_file_is_told_once_with_what_comes_of_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert standing(home, capsys, FILE, REDIS_CIRCUIT_BREAKER_ENABLED="s3cr3t") == TOLD.strip().splitlines()


def test_what_is_ignored_is_told_nowhere_else(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "config.yaml").write_text(FILE)
    settings = load(home / "config.yaml", {}, cwd=home)
    check(settings)
    printed = capsys.readouterr().out
    for line in settings.ignored:
        name, _, why = line.partition(": ")
        assert len([one for one in printed.splitlines() if name in one.split()]) == 1
        assert f"{name} " in printed
        assert f" : {why}\n" in printed
    assert len(settings.ignored) == 6


def test_a_section_without_effect_is_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "litellm_settings: {cache: false, cache_params: {type: redis, host: h, password: s3cr3t}}"
    assert standing(home, capsys, text, OPENAI_BASE_URL=NOBODY) == [
        "LiteLLM's settings in FILE",
        "works   litellm_settings.cache",
        "not     litellm_settings.cache_params : has no effect without cache: true",
    ]


def test_without_a_file_there_is_nothing_to_tell(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert standing(home, capsys, None, OPENAI_BASE_URL=NOBODY) == []
    assert standing(home, capsys, None, OPENAI_BASE_URL=NOBODY, ASKONCE_PROT="s3cr3t") == [
        "Elsewhere, without effect",
        "not     ASKONCE_PROT : not known",
    ]
