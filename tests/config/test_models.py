"""`model_list` and what stands for a missing one."""

import pytest


def entry(params: str, name: str = "m") -> str:
    lines = "\n".join(f"      {line}" for line in params.strip().splitlines())
    return f'model_list:\n  - model_name: "{name}"\n    litellm_params:\n{lines}\n'


def only(settings):
    (deployment,) = settings.deployments
    return deployment


def secret(value):
    return None if value is None else value.get_secret_value()


@pytest.mark.parametrize(
    ("params", "provider", "model", "base"),
    [
        ("model: gpt-4o", "openai", "gpt-4o", "https://api.openai.com/v1"),
        ("model: openai/gpt-4o", "openai", "gpt-4o", "https://api.openai.com/v1"),
        ("model: openai/gpt-4o\napi_base: http://host:8000/v1//", "openai", "gpt-4o", "http://host:8000/v1"),
        ("model: openai/gpt-4o\nbase_url: http://host:8000", "openai", "gpt-4o", "http://host:8000"),
        ("model: openai/meta/llama", "openai", "meta/llama", "https://api.openai.com/v1"),
        ("model: text-completion-openai/x", "text-completion-openai", "x", "https://api.openai.com/v1"),
        ("model: hosted_vllm/a/b\napi_base: http://v/v1", "hosted_vllm", "a/b", "http://v/v1"),
        ("model: meta-llama/L3\napi_base: http://v/v1", "openai", "meta-llama/L3", "http://v/v1"),
        ("model: a/b\ncustom_llm_provider: openai\napi_base: http://v", "openai", "a/b", "http://v"),
        ("model: openai/b\ncustom_llm_provider: openai", "openai", "b", "https://api.openai.com/v1"),
        ("model: ft:gpt-4o:org::id", "openai", "ft:gpt-4o:org::id", "https://api.openai.com/v1"),
        ('model: "*"', "openai", "*", "https://api.openai.com/v1"),
        ('model: "openai/*"', "openai", "*", "https://api.openai.com/v1"),
    ],
)
def test_provider_model_and_base(read, params, provider, model, base):
    deployment = only(read(entry(params)))
    assert (deployment.provider, deployment.model, deployment.api_base) == (provider, model, base)
    assert deployment.unsupported is None


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ("model: azure/x", "api_base is missing"),
        ("model: azure/x\napi_base: os.environ/AZURE_API_BASE", "AZURE_API_BASE is not set"),
        ("model: bedrock/x", "provider bedrock is not built yet"),
        ("model: bedrock/x\napi_key: os.environ/K", "provider bedrock is not built yet"),
        ("model: x\ncustom_llm_provider: vertex_ai", "provider vertex_ai is not built yet"),
        ("model: acme/x", "provider acme is not known; for a server that speaks OpenAI's API, set api_base"),
        ("model: hosted_vllm/x", "api_base is missing"),
        ("model: gpt-4o\napi_key: os.environ/TEAM_KEY", "TEAM_KEY is not set"),
        ("model: gpt-4o\napi_base: os.environ/TEAM_BASE", "TEAM_BASE is not set"),
        ("model: os.environ/TEAM_MODEL", "TEAM_MODEL is not set"),
        ("model: gpt-4o\norganization: os.environ/ORG", "ORG is not set"),
        ("model: gpt-4o\nextra_headers: {x-team: os.environ/TEAM}", "TEAM is not set"),
        ("model: gpt-4o\nlitellm_credential_name: mine", "litellm_credential_name is not built yet"),
    ],
)
def test_what_cannot_be_served_says_why_and_the_start_goes_on(read, params, why):
    deployment = only(read(entry(params), OPENAI_API_KEY="sk-openai"))
    assert deployment.unsupported == why


def test_a_missing_key_is_never_replaced_by_another(read):
    deployment = only(read(entry("model: gpt-4o\napi_key: os.environ/TEAM_KEY"), OPENAI_API_KEY="sk-openai"))
    assert deployment.api_key is None
    assert deployment.unsupported is not None


def test_one_missing_key_leaves_the_other_entries(read):
    text = (
        entry("model: gpt-4o\napi_key: os.environ/A") + entry("model: gpt-4o\napi_key: os.environ/B").split("\n", 1)[1]
    )
    first, second = read(text, B="sk-b").deployments
    assert first.unsupported == "A is not set"
    assert (second.unsupported, secret(second.api_key)) == (None, "sk-b")


@pytest.mark.parametrize(
    ("params", "environ", "key"),
    [
        ("model: gpt-4o", {}, None),
        ("model: gpt-4o", {"OPENAI_API_KEY": "sk-env"}, "sk-env"),
        ("model: gpt-4o", {"OPENAI_API_KEY": ""}, None),
        ("model: gpt-4o\napi_key: sk-own", {"OPENAI_API_KEY": "sk-env"}, "sk-own"),
        ("model: gpt-4o\napi_key: os.environ/K", {"OPENAI_API_KEY": "sk-env", "K": "sk-k\n"}, "sk-k"),
        ("model: hosted_vllm/x\napi_base: http://v", {"OPENAI_API_KEY": "sk-env"}, None),
        ("model: hosted_vllm/x\napi_base: http://v", {"HOSTED_VLLM_API_KEY": "sk-v"}, "sk-v"),
        ("model: azure/x", {"OPENAI_API_KEY": "sk-env"}, None),
    ],
)
def test_key(read, params, environ, key):
    assert secret(only(read(entry(params), **environ)).api_key) == key


@pytest.mark.parametrize(
    ("environ", "base"),
    [
        ({"OPENAI_BASE_URL": "http://one/v1/"}, "http://one/v1"),
        ({"OPENAI_API_BASE": "http://two/v1"}, "http://two/v1"),
        ({"OPENAI_BASE_URL": "http://one", "OPENAI_API_BASE": "http://two"}, "http://one"),
        ({"OPENAI_BASE_URL": "", "OPENAI_API_BASE": ""}, "https://api.openai.com/v1"),
    ],
)
def test_base_from_the_environment(read, environ, base):
    assert only(read(entry("model: gpt-4o"), **environ)).api_base == base
    assert only(read(None, **environ)).api_base == base


def test_an_unused_reference_is_no_reason_to_refuse(read):
    settings = read(entry("model: gpt-4o\ntags: os.environ/TAGS\napi_version: os.environ/V\nazure_ad_token: t"))
    assert only(settings).unsupported is None
    assert settings.ignored == (
        "model_list[].litellm_params.tags: not built yet: choosing a deployment by it",
        "model_list[].litellm_params.api_version: only for azure",
        "model_list[].litellm_params.azure_ad_token: only for azure",
    )


def test_generation_parameters_are_defaults_and_the_rest_is_not(read):
    params = """
model: gpt-4o
temperature: 0.2
max_tokens: 100
top_p: null
stop: ["\\n"]
some_new_parameter: {deep: [1, os.environ/DEEP]}
extra_body: {top_k: 4, logit_bias: {50256: -100}}
rpm: 10
itpm: 10
region_name: eu
input_cost_per_pixel: 0.000001
aws_secret_access_key: not-for-openai
langfuse_secret_key: nor-this
mock_response: hello
stream: true
organization: org-1
timeout: "30"
stream_timeout: 5
extra_headers: {x-team: blue, x-level: 3}
"""
    settings = read(entry(params), DEEP="value")
    deployment = only(settings)
    assert deployment.defaults == {
        "temperature": 0.2,
        "max_tokens": 100,
        "stop": ["\n"],
        "some_new_parameter": {"deep": [1, "value"]},
        "top_k": 4,
        "logit_bias": {"50256": -100},
    }
    assert (deployment.timeout, deployment.stream_timeout, deployment.organization) == (30.0, 5.0, "org-1")
    assert deployment.extra_headers == {"x-team": "blue", "x-level": "3"}
    ignored = {line.split(":")[0].rpartition(".")[2] for line in settings.ignored}
    assert {
        "itpm",
        "region_name",
        "input_cost_per_pixel",
        "mock_response",
        "stream",
        "aws_secret_access_key",
    } <= ignored


def test_one_name_twice_is_a_group_and_its_settings_are_told_once(read):
    one = entry("model: openai/a\nitpm: 1")
    two = entry("model: openai/b\nitpm: 2").split("\n", 1)[1]
    settings = read(one + two)
    assert [(d.pattern, d.model) for d in settings.deployments] == [("m", "a"), ("m", "b")]
    assert settings.ignored == ("model_list[].litellm_params.itpm: not built yet: choosing a deployment by it",)


def test_wildcards(read):
    assert only(read(entry('model: "openai/*"', "openai/*"))).pattern == "openai/*"
    assert only(read(entry('model: "*"', "*"))).unsupported is None
    assert only(read(entry('model: "openai/gpt-*"', "gpt-*"))).unsupported is None
    assert only(read(entry("model: openai/*", "gpt-4o"))).unsupported is None
    assert only(read(entry("model: openai/*-*", "gpt-*"))).unsupported == "model has more stars than model_name"


def test_without_a_file_the_clients_own_key_goes_to_openai(read):
    settings = read(None, OPENAI_API_KEY="sk-env")
    deployment = only(settings)
    assert (deployment.pattern, deployment.model, deployment.provider) == ("*", "*", "openai")
    assert deployment.api_key is None
    assert settings.source == "no config file"


@pytest.mark.parametrize(
    "text", ["", "model_list: []\n", "model_list:\n", "litellm_settings: {cache: true, cache_params: {type: local}}"]
)
def test_a_file_without_models_serves_openai_with_the_key_of_the_environment(read, text):
    deployment = only(read(text, OPENAI_API_KEY="sk-env"))
    assert (deployment.pattern, secret(deployment.api_key)) == ("*", "sk-env")


def test_clients_of_a_master_key_have_no_key_to_forward(read):
    settings = read(None, OPENAI_API_KEY="sk-env", LITELLM_MASTER_KEY="sk-master")
    assert secret(only(settings).api_key) == "sk-env"


@pytest.mark.parametrize("known", [1, "gpt-4o-eu", 2.5, None])
def test_model_info_is_kept_as_it_was_written_and_unknown_members_are_told(read, known):
    info = {"id": known, "base_model": "os.environ/NOBODY", "tags": ["a"], "since": "2024-01-02"}
    written = str(info).replace("None", "null").replace("'2024-01-02'", "2024-01-02")
    settings = read(f"model_list: [{{model_name: m, litellm_params: {{model: x}}, model_info: {written}, modle: 2}}]")
    assert only(settings).model_info == info
    assert only(settings).unsupported is None
    assert settings.ignored == (
        "model_list[].modle: not known",
        "model_list[].model_info.base_model: NOBODY is not set",
    )
