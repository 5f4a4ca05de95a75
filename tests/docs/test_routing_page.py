"""The page on routing says what the code does: its examples are read, its names and defaults held against the code."""

import re
from pathlib import Path
from typing import get_args

import pytest

from askonce.config.load import load
from askonce.config.policies import RoutingSettings, Strategy
from askonce.config.settings import Settings
from askonce.frontend.routing.cooldowns import LONGEST, Reason
from askonce.frontend.routing.strategies import STRATEGIES
from askonce.frontend.upstream import MOST_RETRIES
from askonce.telemetry.metrics import METRICS
from tests.docs.reading import page, part, rows, words

ROUTING = page("routing.md")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", ROUTING, re.DOTALL)


def read(text: str, folder: Path) -> Settings:
    (folder / "config.yaml").write_text(text)
    return load(folder / "config.yaml", {}, cwd=folder)


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_are_in_force_whole(text: str, tmp_path: Path) -> None:
    settings = read(text, tmp_path)
    assert settings.ignored == ()
    assert settings.routing != RoutingSettings()
    assert all(one.unsupported is None for one in settings.deployments)


def test_the_first_example_is_one_group(tmp_path: Path) -> None:
    settings = read(EXAMPLES[0], tmp_path)
    assert [(one.pattern, one.rpm, one.order) for one in settings.deployments] == [
        ("gpt-4o", 900, 1), ("gpt-4o", 300, 1), ("gpt-4o", None, 2),
    ]  # fmt: skip
    assert (settings.routing.num_retries, settings.routing.cooldown) == (2, 30.0)


def test_the_strategies_and_reasons_are_those_of_the_code() -> None:
    assert words(part(ROUTING, "## Who is asked")) == [*get_args(Strategy)] == [*STRATEGIES]
    assert words(part(ROUTING, "## What a failure is")) == [*Reason]


def test_the_defaults_are_those_of_the_code() -> None:
    renamed = {"cooldown_time": "cooldown"}
    for name, default in rows(part(ROUTING, "## Cooldowns")):
        setting = renamed.get(name.strip("`"), name.strip("`"))
        assert float(default.strip("`")) == getattr(RoutingSettings(), setting), name


def test_the_bounds_and_metrics_are_those_of_the_code() -> None:
    assert f"`Retry-After` is waited for, {LONGEST:g} s at most" in ROUTING
    assert f"; {MOST_RETRIES} at most" in ROUTING
    assert set(re.findall(r"`(askonce_\w+)`", ROUTING)) <= {metric.name for metric in METRICS}
