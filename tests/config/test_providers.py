"""Where providers are, and what opens them: by their rows, by variables, by what an entry says."""

import pytest

from askonce.config.describe import describe
from askonce.config.providers import KNOWN, SERVED, Dialect, split_model, without_route


def only(settings):
    (deployment,) = settings.deployments
    return deployment


def entry(params, name="m"):
    return f'model_list: [{{model_name: "{name}", litellm_params: {{{params}}}}}]'


def secret(value):
    return None if value is None else value.get_secret_value()


# -- rows --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVED)
def test_every_row_is_served_from_its_place_or_says_that_it_has_none(read, name):
    row, deployment = SERVED[name], only(read(entry(f"model: {name}/some/model")))
    assert (deployment.provider, deployment.model, deployment.api_key) == (name, "some/model", None)
    assert deployment.unsupported == (None if row.base or row.local else "api_base is missing")
    where = row.base or row.local or ""
    assert deployment.api_base == (where + row.below if row.local else where)


@pytest.mark.parametrize("name", SERVED)
def test_every_row_takes_its_key_and_base_from_its_variables(read, name):
    row = SERVED[name]
    for variable in row.keys + row.tokens:
        deployment = only(read(entry(f"model: {name}/x"), **{variable: "sk-1"}))
        assert (secret(deployment.api_key), deployment.key_is_token) == ("sk-1", variable in row.tokens)
    for variable in row.bases:
        deployment = only(read(entry(f"model: {name}/x"), **{variable: "http://h:1/a/"}))
        assert (deployment.api_base, deployment.unsupported) == (f"http://h:1/a{row.below}", None)
    given = dict.fromkeys(row.keys + row.tokens, "sk-env") | dict.fromkeys(row.bases, "http://env")
    own = only(read(entry(f"model: {name}/x, api_key: sk-own, api_base: 'http://own/x'"), **given))
    assert (own.api_base, secret(own.api_key), own.key_is_token) == (f"http://own/x{row.below}", "sk-own", False)


def test_rows_are_of_their_kind():
    dialects = {name: row.dialect for name, row in SERVED.items() if row.dialect is not Dialect.OPENAI}
    assert dialects == {"azure": Dialect.AZURE, "azure_text": Dialect.AZURE, "anthropic": Dialect.ANTHROPIC}
    for name, row in SERVED.items():
        assert not (row.base and row.local), f"{name} is elsewhere, or one's own"
        assert row.base is None or (row.base.startswith("https://") and row.base.endswith(row.below) and row.keys)
        assert row.below == "" or (row.below.startswith("/") and not row.below.endswith("/"))
    assert {"bedrock", "vertex_ai", "azure_ai"} <= KNOWN - set(SERVED)


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("model: ollama_chat/llama3", "http://localhost:11434/v1"),
        ("model: ollama/llama3, api_base: 'http://o:11434'", "http://o:11434/v1"),
        ("model: ollama/llama3, api_base: 'http://o:11434/v1/'", "http://o:11434/v1"),
        ("model: mistral/large, api_base: 'https://m.example'", "https://m.example/v1"),
        ("model: cohere/rerank-v3.5, api_base: 'https://c.example'", "https://c.example/v2"),
        ("model: cohere/rerank-v3.5, api_base: 'https://c.example/v1'", "https://c.example/v1"),
        ("model: gemini/x, api_base: 'https://g.example/v1beta'", "https://g.example/v1beta/openai"),
        ("model: openai/x, api_base: 'https://o.example/v1/?key=a/b#c'", "https://o.example/v1?key=a/b"),
        ("model: ollama/x, api_base: 'http://o/?a=1'", "http://o/v1?a=1"),
        ("model: openai/x, base_url: 'http://h//'", "http://h"),
        ("model: anthropic/c, api_base: 'https://a.example'", "https://a.example"),
        ("model: anthropic/c, api_base: 'https://a.example/v1/'", "https://a.example"),
        ("model: anthropic/c, api_base: 'https://a.example/claude/v1/messages'", "https://a.example/claude"),
        ("model: anthropic/c, api_base: 'https://a.example/v1/messages?beta=true'", "https://a.example?beta=true"),
    ],
)
def test_a_base_as_people_write_it(read, given, base):
    deployment = only(read(entry(given)))
    assert (deployment.api_base, deployment.unsupported) == (base, None)


@pytest.mark.parametrize(
    ("provider", "path", "why"),
    [
        ("anthropic", "/messages", None),
        ("anthropic", "/messages/count_tokens", None),
        ("anthropic", "/chat/completions", None),
        ("anthropic", "/models", None),
        ("anthropic", "/embeddings", "provider anthropic serves /messages and /chat/completions only, not /embeddings"),
        ("anthropic", "/messagesx", "provider anthropic serves /messages and /chat/completions only, not /messagesx"),
        ("cohere", "/rerank", None),
        ("cohere", "/chat/completions", "provider cohere serves /rerank only, not /chat/completions"),
        ("voyage", "/rerank", "provider voyage serves /embeddings only, not /rerank"),
        ("jina_ai", "/embeddings", None),
        ("azure", "/messages", "provider azure has no /messages"),
        ("azure", "/messages/batches/x", "provider azure has no /messages"),
        ("azure", "/responses", None),
        ("openai", "/anything/at/all", None),
        ("acme", "/messages", None),
    ],
)
def test_routes_that_a_provider_has_not(provider, path, why):
    assert without_route(provider, path) == why


@pytest.mark.parametrize(
    ("model", "named", "has_base", "expected"),
    [
        ("azure/o_series/mine", None, False, ("azure", "mine")),
        ("azure/gpt5_series/mine", None, False, ("azure", "mine")),
        ("azure/responses/mine", None, False, ("azure", "mine")),
        ("o_series/mine", "azure", True, ("azure", "mine")),
        ("openai/responses/gpt-5", None, False, ("openai", "gpt-5")),
        ("openai/o_series/x", None, False, ("openai", "o_series/x")),
        ("groq/meta/llama", None, True, ("groq", "meta/llama")),
        ("meta-llama/x", None, True, ("openai", "meta-llama/x")),
        ("acme/x", None, False, ("acme", "x")),
    ],
)
def test_what_stands_before_a_name_for_litellm_alone_is_left_out(model, named, has_base, expected):
    assert split_model(model, named, has_base=has_base) == expected


# -- Azure -------------------------------------------------------------------------------------------------------------

HOST = "https://r.openai.azure.com"
DEFAULT = "2025-02-01-preview"


@pytest.mark.parametrize(
    ("params", "environ", "expected"),
    [
        (f"api_base: {HOST}", {}, (HOST, DEFAULT, "gpt")),
        (f"api_base: {HOST}/, api_version: 2024-02-01", {}, (HOST, "2024-02-01", "gpt")),
        (f"api_base: {HOST}, api_version: 2024-02-15-preview", {}, (HOST, "2024-02-15-preview", "gpt")),
        (f"api_base: {HOST}", {"AZURE_API_VERSION": "2023-05-15"}, (HOST, "2023-05-15", "gpt")),
        ("api_version: v1", {"AZURE_API_BASE": HOST}, (HOST, "v1", "gpt")),
        (f"api_base: {HOST}, api_version: latest", {}, (HOST, "preview", "gpt")),
        (f"api_base: {HOST}, api_version: preview", {}, (HOST, "preview", "gpt")),
        (f"api_base: {HOST}/openai/v1/", {"AZURE_API_VERSION": "2023-05-15"}, (HOST, "v1", "gpt")),
        (f"api_base: {HOST}/openai/v1, api_version: preview", {}, (HOST, "preview", "gpt")),
        (f"api_base: '{HOST}/openai/v1/chat/completions?api-version=preview'", {}, (HOST, "preview", "gpt")),
        (f"api_base: {HOST}/openai", {}, (HOST, DEFAULT, "gpt")),
        (f"api_base: {HOST}/openai/deployments/a%20b", {}, (HOST, DEFAULT, "a b")),
        (
            f"api_base: '{HOST}/openai/deployments/other/chat/completions?api-version=2024-06-01&x=1'",
            {"AZURE_API_VERSION": "2023-05-15"},
            (f"{HOST}?x=1", "2024-06-01", "other"),
        ),
        (
            f"api_base: '{HOST}/openai/deployments/other?api-version=2024-06-01', api_version: '2024-10-21'",
            {},
            (HOST, "2024-10-21", "other"),
        ),
        (f"api_base: '{HOST}/openai/responses?api-version=2025-04-01'", {}, (HOST, "2025-04-01", "gpt")),
        ("api_base: https://gate.example/openai/team", {}, ("https://gate.example/openai/team", DEFAULT, "gpt")),
        ("api_base: https://gate.example/team/openai", {}, ("https://gate.example/team/openai", DEFAULT, "gpt")),
        ("api_base: https://gate.example/t/openai/v1", {}, ("https://gate.example/t", "v1", "gpt")),
    ],
)  # fmt: skip
def test_an_address_of_azures_as_people_paste_it(read, params, environ, expected):
    deployment = only(read(entry(f"model: azure/gpt, {params}"), **environ))
    assert (deployment.api_base, deployment.api_version, deployment.model) == expected
    assert deployment.unsupported is None


@pytest.mark.parametrize(
    ("params", "environ", "key", "is_token"),
    [
        ("api_key: k", {"AZURE_AD_TOKEN": "t"}, "k", False),
        ("azure_ad_token: t", {"AZURE_API_KEY": "k"}, "t", True),
        ("api_key: k, azure_ad_token: t", {}, "t", True),
        ("azure_ad_token: os.environ/MINE", {"MINE": "t"}, "t", True),
        ("rpm: 1", {"AZURE_API_KEY": "second", "AZURE_OPENAI_API_KEY": "first"}, "first", False),
        ("rpm: 1", {"AZURE_API_KEY": "k", "AZURE_AD_TOKEN": "t"}, "k", False),
        ("rpm: 1", {"AZURE_AD_TOKEN": "t"}, "t", True),
        ("rpm: 1", {"OPENAI_API_KEY": "sk"}, None, False),
        ("api_key: k, tenant_id: a, client_id: b, client_secret: c", {}, "k", False),
    ],
)
def test_azures_keys_and_tokens(read, params, environ, key, is_token):
    deployment = only(read(entry(f"model: azure/gpt, api_base: {HOST}, {params}"), **environ))
    assert (secret(deployment.api_key), deployment.key_is_token, deployment.unsupported) == (key, is_token, None)


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ("tenant_id: a, client_id: b, client_secret: c", "tokens from Microsoft Entra ID are not built yet: set "),
        ("azure_username: a, azure_password: b", "tokens from Microsoft Entra ID are not built yet: set "),
        ("azure_ad_token: oidc/github/aud", "tokens from Microsoft Entra ID are not built yet: set "),
        ("azure_ad_token: os.environ/TOKEN", "TOKEN is not set"),
        ("api_version: os.environ/VERSION", "VERSION is not set"),
    ],
)
def test_what_azure_cannot_be_asked_with_says_why(read, params, why):
    deployment = only(read(entry(f"model: azure/gpt, api_base: {HOST}, {params}")))
    assert deployment.unsupported.startswith(why)


def test_what_is_described_of_them(read):
    told = describe(read(entry(f"model: azure/gpt, api_base: {HOST}, api_key: k")))
    assert ("model m", f"azure/gpt at {HOST}, API version {DEFAULT}, its own key") in told
