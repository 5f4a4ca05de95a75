"""`.env`, empty variables, `environment_variables`, and askonce's own settings."""

import pytest

from askonce.config.notes import ConfigErrors
from askonce.config.settings import ProxySettings
from askonce.core.errors import ConfigError


def host(settings):
    return settings.cache.redis.host


REDIS = "litellm_settings: {cache: true}\n"


def test_dotenv_stands_below_the_environment(read):
    dotenv = "REDIS_HOST = 'from-file'\nREDIS_PORT=7000\n"
    assert host(read(REDIS, dotenv=dotenv)) == "from-file"
    settings = read(REDIS, dotenv=dotenv, REDIS_HOST="from-env")
    assert (host(settings), settings.cache.redis.port) == ("from-env", 7000)


def test_an_empty_variable_is_not_set(read):
    assert host(read(REDIS, dotenv="REDIS_HOST=file\n", REDIS_HOST="", REDIS_PORT="", REDIS_URL="")) == "file"
    assert read(None, ASKONCE_PORT="", ASKONCE_HOST="").proxy.port == 4000
    assert read(None, LITELLM_MASTER_KEY="").master_key is None


def test_dotenv_expands_from_itself_and_the_environment_handed_in(read, monkeypatch):
    monkeypatch.setenv("NAME_OF_PROCESS", "leaked")
    dotenv = "BASE=redis\nREDIS_HOST=${BASE}-${ZONE}-${NAME_OF_PROCESS:-none}\nEXPORTED\n# a comment\n"
    assert host(read(REDIS, dotenv=dotenv, ZONE="eu")) == "redis-eu-none"


def test_spaces_quotes_and_capitals_in_dotenv(read):
    dotenv = """
        REDIS_HOST = "h"
        REDIS_PASSWORD = 'with # and "quotes"'   # a comment
        export REDIS_SSL="True"
        REDIS_SSL_CHECK_HOSTNAME = False
        REDIS_PORT = ""
    """
    redis = read(REDIS, dotenv=dotenv).cache.redis
    assert (redis.host, redis.port, redis.ssl) == ("h", 6379, True)
    assert redis.password.get_secret_value() == 'with # and "quotes"'
    assert redis.arguments == {"ssl_check_hostname": False}


def test_a_line_of_dotenv_that_makes_no_sense_is_told_without_its_value(read):
    settings = read(REDIS, dotenv='REDIS_HOST=h\n\n\nREDIS_PASSWORD="a"b"\nREDIS_PORT=7\n')
    assert settings.ignored == (".env, line 4: is not NAME=value",)
    assert (settings.cache.redis.host, settings.cache.redis.port, settings.cache.redis.password) == ("h", 7, None)


def test_the_processes_own_environment_is_never_read(read, monkeypatch):
    monkeypatch.setenv("ASKONCE_PORT", "1234")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere")
    assert read(None).proxy.port == 4000
    assert ProxySettings().port == 4000
    assert read(None).deployments[0].api_base == "https://api.openai.com/v1"


def test_environment_variables_of_the_file_stand_below_both(read):
    variables = "{REDIS_HOST: section, REDIS_PORT: 7001, REDIS_DB: null, REDIS_PASSWORD: os.environ/P}"
    text = f"{REDIS}environment_variables: {variables}\n"
    settings = read(text, P="p")
    redis = settings.cache.redis
    assert (redis.host, redis.port, redis.db, redis.password.get_secret_value()) == ("section", 7001, 0, "p")
    assert host(read(text, dotenv="REDIS_HOST=dotenv\n", P="p")) == "dotenv"
    assert host(read(text, dotenv="REDIS_HOST=dotenv\n", P="p", REDIS_HOST="env")) == "env"


def test_what_libraries_of_clouds_look_for_is_kept_for_them_where_the_process_does_not_have_it(read):
    text = "environment_variables: {AWS_REGION: section, AZURE_TENANT_ID: t, OTHER: o}\n"
    settings = read(text, dotenv="AWS_REGION=dotenv\nGOOGLE_CLOUD_PROJECT=p\n", AWS_PROFILE="mine", AZURE_TENANT_ID="")
    found = {name: value.get_secret_value() for name, value in settings.for_libraries.items()}
    assert found == {"AWS_REGION": "dotenv", "GOOGLE_CLOUD_PROJECT": "p", "AZURE_TENANT_ID": "t"}


def test_own_settings_from_the_section_and_the_environment_over_it(read, tmp_path):
    text = "askonce: {port: 4100, writers: 2, cache_scope: key, data_dir: data, nats_url: os.environ/BUS}\n"
    proxy = read(text, ASKONCE_PORT="4200", ASKONCE_LOG_LEVEL="debug", BUS="nats://u:p@h:4222").proxy
    assert (proxy.port, proxy.writers, proxy.cache_scope, proxy.log_level) == (4200, 2, "key", "debug")
    assert proxy.data_dir == tmp_path / "data"
    assert proxy.nats_url.get_secret_value() == "nats://u:p@h:4222"
    assert read(None, HOME="/home/x", ASKONCE_DATA_DIR="~/d").proxy.data_dir.as_posix() == "/home/x/d"


def test_a_file_of_rules_is_looked_at_from_the_working_directory(read, tmp_path):
    (tmp_path / "rules.yaml").write_text("{}\n")
    assert read("askonce: {semantic_rules: rules.yaml}").proxy.semantic_rules == tmp_path / "rules.yaml"
    with pytest.raises(ConfigErrors) as caught:
        read("askonce: {semantic_rules: none.yaml}\nlitellm_settings: {cache: maybe}")
    assert [str(error.source).endswith("none.yaml") for error in caught.value.errors] == [True, False]


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        (None, {}, "127.0.0.1"),
        (None, {"ASKONCE_HOST": "::1"}, "::1"),
        (None, {"LITELLM_MASTER_KEY": "sk-1"}, "0.0.0.0"),
        ("general_settings: {master_key: sk-1}", {}, "0.0.0.0"),
        ("{general_settings: {master_key: sk-1}, askonce: {host: 10.0.0.1}}", {}, "10.0.0.1"),
    ],
)
def test_without_a_master_key_only_this_machine_is_let_in(read, text, environ, expected):
    assert read(text, **environ).proxy.host == expected


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("", {}, None),
        ("general_settings: {master_key: null}", {"LITELLM_MASTER_KEY": "sk-env"}, "sk-env"),
        ("general_settings: {master_key: ''}", {"ASKONCE_MASTER_KEY": "sk-own"}, "sk-own"),
        ("general_settings: {master_key: sk-file}", {"LITELLM_MASTER_KEY": "sk-env"}, "sk-file"),
        ("general_settings: {master_key: os.environ/MINE}", {"MINE": "sk-mine"}, "sk-mine"),
        ("", {"LITELLM_MASTER_KEY": "sk-env"}, "sk-env"),
        ("general_settings: {master_key: sk-file}", {"ASKONCE_MASTER_KEY": "sk-own"}, "sk-own"),
    ],
)
def test_master_key(read, text, environ, expected):
    key = read(text, **environ).master_key
    assert (None if key is None else key.get_secret_value()) == expected


@pytest.mark.parametrize("written", ["null", "", "''", "'  '"])
def test_a_master_key_that_is_left_empty_stops_the_start(read, written):
    with pytest.raises(ConfigError, match=r"general_settings\.master_key: must be text that is not empty"):
        read(f"general_settings: {{master_key: {written}}}", LITELLM_MASTER_KEY="")


def test_what_kubernetes_sets_for_a_service_called_askonce_stops_nothing(read):
    service = {"ASKONCE_PORT": "tcp://10.0.0.1:4000", "ASKONCE_PORT_4000_TCP": "x", "ASKONCE_SERVICE_HOST": "10.0.0.1"}
    settings = read(None, **service)
    assert settings.proxy.port == 4000
    assert settings.ignored == ("ASKONCE_PORT: is an address, as Kubernetes sets it for a service called askonce",)


def test_everything_without_effect_is_told_once_with_its_reason(read):
    text = """
include: [other.yaml]
router_settings: {num_retries: 2, retry_policy: {}, num_retrys: 2}
general_settings: {database_url: "postgres://u:secret@h/db", databse_url: x}
litellm_settings: {drop_params: true, callbacks: [prometheus], cahce: true}
modle_list: []
"""
    assert read(text, ASKONCE_PROT="1").ignored == (
        "ASKONCE_PROT: not known",
        "litellm_settings.drop_params: requests are never rewritten",
        "litellm_settings.callbacks: not built yet; /metrics is always served",
        "litellm_settings.cahce: not known",
        "general_settings.database_url: keys are kept in the queue's server, and need no database",
        "general_settings.databse_url: not known",
        "router_settings.retry_policy: num_retries counts for every kind of error",
        "router_settings.num_retrys: not known",
        "include: not built yet",
        "modle_list: not known",
    )
