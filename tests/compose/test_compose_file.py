"""compose.yaml: valid as the specification has it, and as safe as we say."""

import json
import re
from typing import Any

import compose_spec
import pytest

from askonce.runtime.drain import Drain
from tests.compose.reading import COMPOSE, TEXT, VARIABLE, example, services, whole

SECRET = re.compile(r"password|secret|token|api_?key|master_key", re.IGNORECASE)
SERVICES = services()
OURS = ("frontend", "writer", "toy")
every_service = pytest.mark.parametrize("name", sorted(SERVICES))


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def mounted(service: dict[str, Any]) -> list[str]:
    return [volume.split(":")[0] for volume in service.get("volumes", ()) if volume.startswith(".")]


def test_the_file_follows_the_specification() -> None:
    read = compose_spec.PyCompose.from_json(json.dumps(whole()))
    assert set(read.service_names()) == set(SERVICES)


def test_a_misspelt_key_would_be_found() -> None:
    wrong = whole()
    wrong["services"]["nats"]["restrat"] = "always"
    with pytest.raises(ValueError, match="restrat"):
        compose_spec.PyCompose.from_json(json.dumps(wrong))


def test_the_services_that_others_rely_on_are_there() -> None:
    plain = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert plain == {"nats", "redis", "frontend", "writer", "balancer", "prometheus"}
    profiles = {profile for service in SERVICES.values() for profile in service.get("profiles", ())}
    assert profiles == {"grafana", "s3", "qdrant", "redis-cluster", "redis-sentinel", "toy"}


@every_service
def test_each_service_tells_whether_it_is_well(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert len(check["test"]) > 1
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)


@every_service
def test_each_service_has_its_limits(name: str) -> None:
    limits = SERVICES[name]["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) <= 1  # Docker refuses more than the machine has
    assert re.fullmatch(r"[1-9]\d*[mg]", limits["memory"])
    assert limits["pids"] > 0


@every_service
def test_each_service_comes_back_and_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp:size=64m"]
    assert not {"privileged", "network_mode", "pid", "ipc", "devices", "container_name"} & set(service)
    assert "docker.sock" not in str(service)


@every_service
def test_logs_do_not_fill_the_disk(name: str) -> None:
    assert SERVICES[name]["logging"] == {"driver": "json-file", "options": {"max-size": "10m"}}


@every_service
def test_no_secret_is_in_an_environment_or_on_a_command_line(name: str) -> None:
    service = SERVICES[name]
    for variable, value in service.get("environment", {}).items():
        assert not SECRET.search(variable) or variable.endswith("__FILE"), variable
        assert not re.search(r"://[^/]*@", str(value)), variable
    assert not SECRET.search(" ".join([*service.get("command", ()), *service.get("entrypoint", ())]))
    assert "env_file" not in service


@every_service
def test_what_is_mounted_is_there_and_cannot_be_written(name: str) -> None:
    service = SERVICES[name]
    for path in mounted(service):
        assert (COMPOSE / path).exists(), path
    assert all(volume.endswith(":ro") for volume in service.get("volumes", ()) if volume.startswith("."))


def test_only_the_door_and_the_two_pages_are_published_and_to_this_machine_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "balancer": ["127.0.0.1:4000:4000"],
        "prometheus": ["127.0.0.1:9090:9090"],
        "grafana": ["127.0.0.1:3000:3000"],
    }


def test_every_variable_has_a_default_and_stands_in_the_example() -> None:
    used = dict(VARIABLE.findall(TEXT))
    said = example()
    assert set(used) == set(said) - {"COMPOSE_PROFILES"}  # which compose itself reads
    for name, default in used.items():
        assert said[name] == default, name


def test_a_stop_waits_for_the_longest_drain() -> None:
    frontend = SERVICES["frontend"]
    environment = frontend["environment"]
    drain = Drain(float(environment["ASKONCE_DRAIN_SECONDS"])).longest
    longest = drain + float(environment["ASKONCE_SHUTDOWN_DELAY"])
    for name in ("frontend", "writer", "balancer"):
        assert seconds(SERVICES[name]["stop_grace_period"]) > longest


def test_frontends_may_be_any_number() -> None:
    assert SERVICES["frontend"]["deploy"]["replicas"] == 2
    assert services({"FRONTENDS": "4", "WRITERS": "3"})["frontend"]["deploy"]["replicas"] == 4
    assert "ports" not in SERVICES["frontend"]
    assert "hostname" not in SERVICES["frontend"]


def test_one_image_for_all_that_is_ours() -> None:
    assert {SERVICES[name]["image"] for name in OURS} == {SERVICES["frontend"]["image"]}
    assert all(SERVICES[name]["build"] == SERVICES["frontend"]["build"] for name in OURS)


def test_other_images_are_named_in_full_and_by_version() -> None:
    for name in set(SERVICES) - set(OURS):
        assert re.fullmatch(r"docker\.io/\w+/\w+:v?\d[\w.-]*", SERVICES[name]["image"]), name


def test_a_writer_has_no_key_of_a_provider() -> None:
    assert not {
        secret for secret in SERVICES["writer"]["secrets"] if "api_key" in secret and secret != "qdrant_api_key"
    }
