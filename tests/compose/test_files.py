"""What compose.yaml mounts, builds and starts: each file asked by the program that will read it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from askonce.bus.server import server_config
from askonce.config.load import load
from askonce.config.settings import ProxySettings
from compose import nats_users
from tests.compose.reading import COMPOSE, ROOT, services
from tests.servers import debian_binary, nats_binary, need

CONFIGS = sorted([COMPOSE / "config.yaml", *(COMPOSE / "config").glob("*.yaml")])
SCRIPTS = sorted([COMPOSE / "init.sh", *(COMPOSE / "start").glob("*.sh")])


def ran(*command: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("role", ["frontend", "writer"])
def test_each_configuration_loads_with_the_secrets_of_its_role(config: Path, role: str, tmp_path: Path) -> None:
    service = services()[role]
    secrets = {item if isinstance(item, str) else item["target"] for item in service["secrets"]}
    for name in secrets:
        (tmp_path / name).write_text("sk-something-long-enough-for-all")
    environ = {**{k: str(v) for k, v in service["environment"].items()}, "ASKONCE_SECRETS_DIR": str(tmp_path)}
    settings = load(config, environ, cwd=tmp_path)
    kind = config.stem if config.stem.endswith("-semantic") or config.stem == "s3" else "redis"
    assert settings.cache.type == kind
    assert settings.proxy.host == "0.0.0.0"
    assert settings.proxy.nats_user == role
    assert settings.deployments


def test_the_example_names_every_configuration() -> None:
    said = (COMPOSE / ".env.example").read_text()
    assert all(f"./{path.relative_to(COMPOSE)}" in said for path in CONFIGS)


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    linted = ran(str(Path(sys.executable).with_name("hadolint")), "--no-color", "compose/Dockerfile")
    assert linted.returncode == 0, linted.stdout


def test_the_dockerfile_says_the_version_of_the_project() -> None:
    project = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert project
    assert f"ARG VERSION={project[1]}\n" in (COMPOSE / "Dockerfile").read_text()
    assert services()["frontend"]["image"] == f"askonce:{project[1]}"


def test_what_the_dockerfile_copies_is_not_ignored() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (COMPOSE / "Dockerfile").read_text(), re.MULTILINE)
    assert {name for names in copied for name in names.split()} == let_in
    assert all((ROOT / name).exists() for name in let_in)


def test_haproxy_takes_its_configuration() -> None:
    haproxy = need("haproxy", debian_binary("haproxy"))
    checked = ran(haproxy, "-c", "-f", "compose/haproxy.cfg")
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


def test_nats_server_takes_its_configuration_with_a_password_that_looks_like_a_number() -> None:
    nats = need("nats-server", nats_binary())
    passwords = {f"NATS_{role}_PASSWORD": '"1234567890123456e7"' for role in ("FRONTEND", "WRITER", "ADMIN")}
    checked = ran(nats, "-t", "-c", "compose/nats.conf", **passwords)
    assert checked.returncode == 0, checked.stderr
    assert ran(nats, "-t", "-c", "compose/nats.conf").returncode != 0, "started without passwords"


def test_the_users_of_the_queue_are_those_of_up(tmp_path: Path) -> None:
    """Generated: `python -m compose.nats_users` writes it anew."""
    written = (COMPOSE / "nats-users.conf").read_text()
    assert written == nats_users.text()
    password = "word-of-16-or-more"
    own = server_config(
        settings=ProxySettings(),
        store_dir=tmp_path,
        frontend_password=password,
        writer_password=password,
        admin_password=password,
    )
    users = re.sub(r"\$NATS_\w+", f'"{password}"', written.partition("\n")[2])
    assert users in own


def test_messages_may_be_as_long_as_under_up(tmp_path: Path) -> None:
    said = re.search(r"^max_payload: (\d+)MB$", (COMPOSE / "nats.conf").read_text(), re.MULTILINE)
    assert said
    word = "word-of-16-or-more"
    own = server_config(
        settings=ProxySettings(),
        store_dir=tmp_path,
        frontend_password=word,
        writer_password=word,
        admin_password=word,
    )
    assert f"max_payload: {int(said[1]) << 20}\n" in own


def test_prometheus_looks_for_services_that_are_there() -> None:
    jobs = yaml.safe_load((COMPOSE / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert [job["job_name"] for job in jobs] == ["askonce-frontend", "askonce-writer", "balancer", "prometheus"]
    sought = {
        (name, place["port"]) for job in jobs for place in job.get("dns_sd_configs", ()) for name in place["names"]
    }
    ours = services()
    assert sought == {("frontend", 4000), ("writer", 4001)}
    assert ours["frontend"]["environment"]["ASKONCE_PORT"] == "4000"
    assert ours["writer"]["environment"]["ASKONCE_METRICS_PORT"] == "4001"


def test_promtool_takes_the_configuration(tmp_path: Path) -> None:
    promtool = need("promtool", debian_binary("promtool"))
    text = (COMPOSE / "prometheus" / "prometheus.yml").read_text()
    (tmp_path / "prometheus.yml").write_text(text.replace("/etc/prometheus/", f"{COMPOSE / 'prometheus'}/"))
    checked = ran(promtool, "check", "config", str(tmp_path / "prometheus.yml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_grafana_is_given_the_prometheus_of_the_stack() -> None:
    provisioning = ROOT / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (source["name"], source["uid"], source["url"]) == ("Prometheus", "prometheus", "http://prometheus:9090")
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "askonce.yaml").read_text())["providers"]
    assert f"../grafana/dashboards:{provider['options']['path']}:ro" in services()["grafana"]["volumes"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_each_script_can_be_parsed(script: Path) -> None:
    shell = "bash" if script.stem == "qdrant-healthy" else "sh"
    checked = ran(shell, "-n", str(script))
    assert checked.returncode == 0, checked.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of compose/ as it is after a clone."""
    there = tmp_path / "compose"
    shutil.copytree(COMPOSE, there, ignore=shutil.ignore_patterns("secrets", ".env", "__pycache__"))
    return there


def test_init_makes_every_secret_and_shows_none(folder: Path) -> None:
    said = ran("sh", "init.sh", cwd=folder, OPENAI_API_KEY="sk-provider")
    assert said.returncode == 0, said.stderr
    declared = yaml.safe_load((folder / "compose.yaml").read_text())["secrets"]
    secrets = {name: (folder / secret["file"]) for name, secret in declared.items()}
    assert {path.name for path in (folder / "secrets").iterdir()} == set(secrets)
    texts = {name: path.read_text() for name, path in secrets.items()}
    assert texts.pop("openai_api_key") == "sk-provider"
    assert texts.pop("litellm_master_key").startswith("sk-")
    made = {name: text for name, text in texts.items() if not re.match("anthropic|azure|gemini", name)}
    assert all(re.fullmatch(r"[\w-]{43}", text, re.ASCII) for text in made.values())
    assert len(set(made.values())) == len(made)
    everything = [path.read_text() for path in secrets.values()]
    assert not [text for text in everything if text and text in said.stdout + said.stderr]
    assert (folder / ".env").read_text() == (folder / ".env.example").read_text()


def test_init_lets_nobody_else_into_the_folder_and_every_container_read_its_files(folder: Path) -> None:
    assert ran("sh", "init.sh", cwd=folder).returncode == 0
    assert (folder / "secrets").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (folder / "secrets").iterdir()} == {0o444}


def test_init_again_keeps_what_is_there_and_takes_a_key_that_was_missing(folder: Path) -> None:
    first = ran("sh", "init.sh", cwd=folder, OPENAI_API_KEY="")
    assert "OPENAI_API_KEY was not set" in first.stdout
    before = {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    (folder / ".env").write_text("FRONTENDS=5\n")
    again = ran("sh", "init.sh", cwd=folder, OPENAI_API_KEY="sk-provider")
    assert "was not set" not in again.stdout
    after = {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    assert after == before | {"openai_api_key": "sk-provider"}
    ran("sh", "init.sh", cwd=folder, OPENAI_API_KEY="sk-another")
    assert (folder / "secrets" / "openai_api_key").read_text() == "sk-provider"
    assert (folder / ".env").read_text() == "FRONTENDS=5\n"


def haproxy_words(start: str) -> list[str]:
    """What follows `start` in the lines of haproxy.cfg that begin with it."""
    lines = (line.strip() for line in (COMPOSE / "haproxy.cfg").read_text().splitlines())
    return [word for line in lines if line.startswith(start) for word in line.removeprefix(start).split()]


def test_the_balancer_asks_the_cached_routes_again_and_no_other() -> None:
    rows = re.findall(r"^\| POST \| (.+?) \| yes \| cached", (ROOT / "docs" / "http.md").read_text(), re.MULTILINE)
    cached = {path for row in rows for path in re.findall(r"`(/\S+?)`", row)}
    assert len(cached) > 15
    assert set(haproxy_words("acl asks path ")) == cached
    assert haproxy_words("acl reads method ") == ["GET", "HEAD", "OPTIONS"]
    assert haproxy_words("http-request disable-l7-retry ") == ["if", "!reads", "!asks"]


@pytest.mark.parametrize(
    ("path", "again"),
    [
        ("/openai/deployments/gpt-4o/chat/completions", True),
        ("/v1/engines/ada/embeddings", True),
        ("/openai/deployments/gpt-4o/images/generations", False),
        ("/v1/threads/thread-1/messages", False),
        ("/v1/messages/batches", False),
        ("/v1/chat/completions/", False),
    ],
)
def test_a_model_in_the_path_makes_no_difference_to_that(path: str, again: bool) -> None:
    (pattern,) = haproxy_words("acl asks path_reg ")
    assert (re.search(pattern, path) is not None) == again


def test_no_line_of_the_balancers_log_can_hold_a_key_or_a_prompt() -> None:
    (form,) = re.findall(r"^    log-format '(.+)'$", (COMPOSE / "haproxy.cfg").read_text(), re.MULTILINE)
    fields = set(re.findall(r"%(\[.+?\]|\w+)", form))
    assert fields == {
        *("[var(txn.path),json(utf8s)]", "t", "HM", "ST", "s", "rc", "B", "Tw", "Tc", "Tr", "Ta", "ts"),
    }
    json.loads(re.sub(r"%(\[.+?\]|\w+)", "0", form))
