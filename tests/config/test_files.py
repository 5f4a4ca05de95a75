"""Variables from files: where they stand among the others, what is left alone, and what stops the start."""

import os
from pathlib import Path

import pytest

from askonce.config.describe import describe
from askonce.config.notes import ConfigErrors
from askonce.core.errors import ConfigError

SECRET = "s3cr3t-s3cr3t"
NAME = "ASKONCE_SECRETS_DIR"
MODEL = "model_list: [{model_name: m, litellm_params: {model: openai/m, api_key: os.environ/MY_KEY}}]"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "secrets"
    made.mkdir()
    return made


def master(settings):
    return None if settings.master_key is None else settings.master_key.get_secret_value()


def test_a_file_is_a_variable_whose_name_is_in_capitals(read, folder):
    (folder / "askonce_master_key").write_text(f"{SECRET}\n")
    (folder / "My_Key").write_bytes(b"sk-of-mine\r\n")
    settings = read(MODEL, **{NAME: str(folder)})
    assert master(settings) == SECRET
    assert settings.deployments[0].api_key.get_secret_value() == "sk-of-mine"
    assert settings.ignored == ()


def test_it_stands_below_the_environment_and_above_dotenv(read, folder):
    (folder / "askonce_master_key").write_text("of the file")
    dotenv = "ASKONCE_MASTER_KEY=of-dotenv\nASKONCE_DATA_DIR=${ASKONCE_MASTER_KEY}\n"
    assert master(read(dotenv=dotenv)) == "of-dotenv"
    settings = read(dotenv=dotenv, **{NAME: "secrets", "ASKONCE_MASTER_KEY": ""})
    assert (master(settings), settings.proxy.data_dir.name) == ("of the file", "of the file")
    assert master(read(dotenv=dotenv, **{NAME: "secrets", "ASKONCE_MASTER_KEY": "given"})) == "given"


def test_an_empty_file_is_no_variable_and_inner_lines_are_kept(read, folder):
    (folder / "askonce_master_key").write_text("\n")
    (folder / "my_key").write_text('{\n  "a": 1\n}\n\n')
    settings = read(MODEL.replace("api_key:", "x:"), **{NAME: "secrets"})
    assert (master(settings), settings.deployments[0].defaults) == (None, {"x": '{\n  "a": 1\n}'})


def test_a_leading_tilde_is_the_home_handed_in(read, folder, tmp_path):
    (folder / "askonce_port").write_text("4321")
    assert read(**{NAME: "~/secrets", "HOME": str(tmp_path)}).proxy.port == 4321


def test_what_is_no_variable_is_left_alone(read, folder, tmp_path):
    (folder / "..data").mkdir()
    (folder / "..data" / "askonce_port").write_text("4321")
    (folder / "askonce_port").symlink_to(folder / "..data" / "askonce_port")  # as Kubernetes mounts them
    (folder / "askonce_writers").mkdir()
    os.mkfifo(folder / "askonce_host")
    for name in ("tls.crt", "2nd", "a-b", "ümlaut"):
        (folder / name).write_bytes(b"\xff" * 100_000)
    settings = read(**{NAME: "secrets"})
    assert (settings.proxy.port, settings.proxy.writers, settings.ignored) == (4321, 1, ())


def test_a_folder_that_is_not_there_is_an_empty_one(read):
    settings = read(**{NAME: "/nowhere/at/all"})
    assert (settings.ignored, settings.from_files) == ((), "none from /nowhere/at/all")


@pytest.mark.parametrize("content", [SECRET.encode() + b"x" * (64 << 10), SECRET.encode() + b"\xff"])
def test_a_file_that_cannot_be_used_is_named_and_not_shown(read, folder, content):
    (folder / "my_key").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read(**{NAME: "secrets"})
    assert (caught.value.source, caught.value.key) == (str(folder / "my_key"), "file")
    assert caught.value.expected in {"must have 65536 bytes at most", "must be UTF-8 text"}
    assert SECRET not in str(caught.value)


def test_the_largest_file_is_read(read, folder):
    (folder / "my_key").write_bytes(b"k" * (64 << 10))
    assert len(read(MODEL, **{NAME: "secrets"}).deployments[0].api_key.get_secret_value()) == 64 << 10


def test_a_file_that_may_not_be_read_is_named(read, folder):
    (folder / "my_key").symlink_to("/proc/self/mem")  # nobody may read its start, root included
    with pytest.raises(ConfigError, match="/secrets/my_key: file: Input/output error"):
        read(**{NAME: "secrets"})


def test_a_folder_that_is_none_is_named_by_its_variable(read, tmp_path):
    (tmp_path / "file").write_text(SECRET)
    with pytest.raises(ConfigError, match=rf"environment: {NAME}: .*/file: Not a directory"):
        read(**{NAME: "file"})


def test_two_files_of_one_variable_stop_the_start(read, folder):
    (folder / "my_key").write_text("a")
    (folder / "MY_KEY").write_text("b")
    with pytest.raises(ConfigError, match="/secrets/my_key: file: is the same variable as MY_KEY, which is there too"):
        read(**{NAME: "secrets"})


def test_the_folder_is_named_in_the_processes_own_environment_only(read, folder):
    (folder / "askonce_port").write_text("4321")
    told = f"{NAME}: counts in the process's own environment only"
    section = f"environment_variables: {{{NAME}: secrets}}"
    for settings in (read(dotenv=f"{NAME}=secrets\n"), read(section, dotenv="")):
        assert (settings.proxy.port, settings.ignored) == (4000, (told,))
    assert read(dotenv=f"{NAME}=secrets\n", **{NAME: str(folder)}).ignored == ()


def test_a_wrong_value_in_a_file_is_told_as_a_variable(read, folder):
    (folder / "askonce_prot").write_text("1")
    assert read(**{NAME: "secrets"}).ignored == ("ASKONCE_PROT: not known",)
    (folder / "askonce_port").write_text(SECRET)
    with pytest.raises(ConfigError, match="environment: ASKONCE_PORT: Input should be a valid integer") as caught:
        read(**{NAME: "secrets"})
    assert SECRET not in str(caught.value)


def test_the_libraries_of_clouds_find_them(read, folder):
    (folder / "aws_secret_access_key").write_text(SECRET)
    settings = read(**{NAME: "secrets"})
    assert settings.for_libraries["AWS_SECRET_ACCESS_KEY"].get_secret_value() == SECRET
    assert SECRET not in repr(settings)
    assert read(**{NAME: "secrets", "AWS_SECRET_ACCESS_KEY": "mine"}).for_libraries == {}


def test_check_tells_folder_and_names_and_no_value(read, folder):
    (folder / "my_key").write_text(SECRET)
    (folder / "askonce_port").write_text("4321")
    settings = read(**{NAME: "secrets", "ASKONCE_PORT": "4000"})
    assert ("secrets", f"MY_KEY from {folder}") in describe(settings)
    assert not any(SECRET in text for _, text in describe(settings))
    assert "secrets" not in dict(describe(read()))


@pytest.mark.parametrize(
    ("text", "environ", "source", "key", "expected"),
    [
        ("{nats_user: u}", {}, "config.yaml", "askonce.nats_password", "must be set where nats_user is"),
        ("{}", {"ASKONCE_NATS_USER": "u"}, "environment", "ASKONCE_NATS_PASSWORD", "must be set where nats_user is"),
        ("{}", {"ASKONCE_NATS_PASSWORD": SECRET}, "environment", "ASKONCE_NATS_USER", "must be set where nats_pass"),
        (
            "{nats_url: 'nats://a:1,nats://u@b:1'}",
            {"ASKONCE_NATS_USER": "u", "ASKONCE_NATS_PASSWORD": SECRET},
            "environment",
            "ASKONCE_NATS_USER",
            "must not be set where nats_url has a login of its own",
        ),
        ("{nats_user: '', nats_password: p}", {}, "config.yaml", "askonce.nats_user", "String should have at least 1"),
    ],
)
def test_half_a_login_and_a_second_one_stop_the_start(read, text, environ, source, key, expected):
    with pytest.raises(ConfigError) as caught:
        read(f"askonce: {text}", **environ)
    assert not isinstance(caught.value, ConfigErrors)
    assert (caught.value.source, caught.value.key) == (source, key)
    assert caught.value.expected.startswith(expected)
    assert SECRET not in str(caught.value)


def test_a_login_from_files_is_taken(read, folder):
    (folder / "askonce_nats_password").write_text(SECRET)
    proxy = read("askonce: {nats_user: frontend, nats_url: 'nats://a:1,nats://b:1'}", **{NAME: "secrets"}).proxy
    assert (proxy.nats_user, proxy.nats_password.get_secret_value()) == ("frontend", SECRET)
    assert SECRET not in repr(proxy)
