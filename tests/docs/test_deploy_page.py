"""What README and the page on deploying show can be done: settings are read, names are those of the compose file."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from askonce.bus import names
from askonce.config.load import load
from askonce.config.settings import ProxySettings
from tests.docs.reading import DOCS

ROOT = DOCS.parent
PAGES = {name: (ROOT / name).read_text() for name in ("README.md", "docs/deploy.md", "docs/troubleshooting.md")}
COMPOSE = yaml.safe_load((ROOT / "compose/compose.yaml").read_text())
EXAMPLE = (ROOT / "compose/.env.example").read_text()
SETTINGS = [
    (name, block) for name, text in PAGES.items() for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
]
SHELL = [(name, block) for name, text in PAGES.items() for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]
DOCKER = re.compile(r"docker compose[^`\n#|]*")


@pytest.mark.parametrize(("name", "text"), SETTINGS, ids=range(len(SETTINGS)))
def test_settings_are_in_force_whole(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    assert load(tmp_path / "config.yaml", {"LITELLM_MASTER_KEY": "sk-of-a-test-of-pages"}, cwd=tmp_path).ignored == ()


@pytest.mark.parametrize(("name", "text"), SHELL, ids=range(len(SHELL)))
def test_commands_are_whole(name: str, text: str) -> None:
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def test_docker_commands_name_services_and_profiles_that_are_there() -> None:
    commands = [command for text in PAGES.values() for command in DOCKER.findall(text)]
    profiles = {profile for service in COMPOSE["services"].values() for profile in service.get("profiles", ())}
    assert len(commands) > 5
    assert {name for text in commands for name in re.findall(r"--profile (\S+)", text)} <= profiles
    scaled = {name for text in PAGES.values() for name in re.findall(r"--scale (\w+)=", text)}
    assert {"frontend", "writer"} == scaled
    words = {word for text in commands for word in text.split("#")[0].split()[2:] if re.fullmatch(r"[a-z]+", word)}
    known = {"up", "ps", "stop", "logs", "grafana", "toy"}
    assert words - known <= set(COMPOSE["services"])


def test_variables_are_settings_or_stand_in_the_example() -> None:
    named = {name for text in PAGES.values() for name in re.findall(r"`(ASKONCE_[A-Z_]+)", text)}
    ours = {f"ASKONCE_{name.upper()}" for name in ProxySettings.model_fields} | {"ASKONCE_SECRETS_DIR"}
    named -= {names.STREAM, names.DEAD_STREAM, names.SPENT_STREAM}
    assert named
    assert {name for name in named - ours if name not in EXAMPLE} == set()


def test_secrets_that_are_shown_are_made() -> None:
    shown = {name for text in PAGES.values() for name in re.findall(r"secrets/(\w+)", text)}
    assert shown
    assert shown <= set(COMPOSE["secrets"])
