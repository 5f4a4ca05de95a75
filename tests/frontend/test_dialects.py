"""Where a route is at each provider, and how a credential is shown there."""

import pytest
from pydantic import SecretStr
from yarl import URL

from askonce.config.settings import Deployment
from askonce.frontend.auth import Credential
from askonce.frontend.dialects import counts, unserved, way
from tests.frontend.kit import deployment

CLIENTS = Credential("sk-client", bearer=True)
CLIENTS_KEY = Credential("key-client", bearer=False)
VERSION = {"anthropic-version": "2023-06-01"}


def at(provider: str, base: str, **more: object) -> Deployment:
    return deployment("m", "m", provider, **more).model_copy(update={"api_base": base})


# -- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://api.openai.com/v1", "/chat/completions", "https://api.openai.com/v1/chat/completions"),
        ("https://h", "/embeddings", "https://h/embeddings"),
        ("https://h/v1?key=a&b=c%2Fd", "/rerank", "https://h/v1/rerank?key=a&b=c%2Fd"),
        ("https://h/v1", "/responses/resp_1/cancel", "https://h/v1/responses/resp_1/cancel"),
        ("https://h/v1", "/messages", "https://h/v1/messages"),
    ],
)
@pytest.mark.parametrize("provider", ["openai", "groq", "hosted_vllm", "nobody"])
def test_openais_routes_are_behind_the_base(provider: str, base: str, path: str, url: str) -> None:
    assert way(at(provider, base), "m", path, None).url == url


DATED = "api-version=2024-10-21"


@pytest.mark.parametrize(
    ("base", "version", "model", "path", "url"),
    [
        ("https://r", "2024-10-21", "gpt", "/chat/completions",
         f"https://r/openai/deployments/gpt/chat/completions?{DATED}"),
        ("https://r", "2024-10-21", "a b/c?d", "/completions",
         f"https://r/openai/deployments/a%20b%2Fc%3Fd/completions?{DATED}"),
        ("https://r", "2024-10-21", "e", "/embeddings", f"https://r/openai/deployments/e/embeddings?{DATED}"),
        ("https://r", "2024-10-21", "w", "/audio/transcriptions",
         f"https://r/openai/deployments/w/audio/transcriptions?{DATED}"),
        ("https://r", "2024-10-21", "t", "/audio/speech", f"https://r/openai/deployments/t/audio/speech?{DATED}"),
        ("https://r", "2024-10-21", "d", "/images/generations",
         f"https://r/openai/deployments/d/images/generations?{DATED}"),
        ("https://r", "2024-10-21", "m", "/responses", f"https://r/openai/responses?{DATED}"),
        ("https://r", "2024-10-21", "m", "/files/file-1/content", f"https://r/openai/files/file-1/content?{DATED}"),
        ("https://r", "2024-10-21", "m", "/models", f"https://r/openai/models?{DATED}"),
        ("https://r/gate?x=1", "2024-10-21", "m", "/models", f"https://r/gate/openai/models?x=1&{DATED}"),
        ("https://r", "v1", "gpt", "/chat/completions", "https://r/openai/v1/chat/completions"),
        ("https://r", "v1", "gpt", "/responses", "https://r/openai/v1/responses"),
        ("https://r", "preview", "gpt", "/embeddings", "https://r/openai/v1/embeddings?api-version=preview"),
        ("https://gateway.ai.cloudflare.com/v1/a/g/azure-openai/r", "2024-10-21", "gpt", "/chat/completions",
         f"https://gateway.ai.cloudflare.com/v1/a/g/azure-openai/r/gpt/chat/completions?{DATED}"),
        ("https://r", "a&b=c", "m", "/models", "https://r/openai/models?api-version=a%26b%3Dc"),
    ],
)  # fmt: skip
def test_azures_have_the_deployment_and_the_version_in_them(
    base: str, version: str, model: str, path: str, url: str
) -> None:
    found = way(at("azure", base, api_version=version), model, path, None).url
    assert found == url
    assert str(URL(found)).partition("?")[0] == url.partition("?")[0], "a client of HTTP leaves it so"


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://api.anthropic.com", "/messages", "https://api.anthropic.com/v1/messages"),
        ("https://a/claude", "/messages/count_tokens", "https://a/claude/v1/messages/count_tokens"),
        ("https://a?beta=true", "/messages", "https://a/v1/messages?beta=true"),
        ("https://a", "/chat/completions", "https://a/v1/chat/completions"),
        ("https://a", "/models", "https://a/v1/models"),
    ],
)
def test_anthropics_are_below_v1(base: str, path: str, url: str) -> None:
    assert way(at("anthropic", base), "m", path, None).url == url


# -- credentials -------------------------------------------------------------------------------------------------------

OWN: dict[str, object] = {"api_key": SecretStr("own")}
TOKEN: dict[str, object] = {**OWN, "key_is_token": True}


@pytest.mark.parametrize(
    ("provider", "path", "more", "credential", "headers"),
    [
        ("openai", "/x", {}, None, {}),
        ("openai", "/x", OWN, CLIENTS, {"Authorization": "Bearer own"}),
        ("openai", "/x", {}, CLIENTS, {"Authorization": "Bearer sk-client"}),
        ("openai", "/x", {}, CLIENTS_KEY, {"Authorization": "Bearer key-client"}),
        ("ollama", "/x", OWN, None, {"Authorization": "Bearer own"}),
        ("azure", "/x", {}, None, {}),
        ("azure", "/x", OWN, CLIENTS, {"api-key": "own"}),
        ("azure", "/x", TOKEN, CLIENTS_KEY, {"Authorization": "Bearer own"}),
        ("azure", "/x", {}, CLIENTS_KEY, {"api-key": "key-client"}),
        ("azure", "/x", {}, CLIENTS, {"Authorization": "Bearer sk-client"}),
        ("anthropic", "/messages", {}, None, VERSION),
        ("anthropic", "/messages", OWN, CLIENTS, {"x-api-key": "own", **VERSION}),
        ("anthropic", "/messages", TOKEN, None, {"Authorization": "Bearer own", **VERSION}),
        ("anthropic", "/messages/batches", {}, CLIENTS_KEY, {"x-api-key": "key-client", **VERSION}),
        ("anthropic", "/messages", {}, CLIENTS, {"Authorization": "Bearer sk-client", **VERSION}),
        ("anthropic", "/models", OWN, None, {"x-api-key": "own", **VERSION}),
        ("anthropic", "/chat/completions", OWN, None, {"Authorization": "Bearer own"}),
        ("anthropic", "/chat/completions", {}, CLIENTS_KEY, {"Authorization": "Bearer key-client"}),
    ],
)
def test_how_a_credential_is_shown(
    provider: str, path: str, more: dict[str, object], credential: Credential | None, headers: dict[str, str]
) -> None:
    assert way(at(provider, "https://h", **more), "m", path, credential).headers == headers


# -- what is not served ------------------------------------------------------------------------------------------------


def test_an_entrys_own_reason_counts_before_its_providers() -> None:
    assert unserved(deployment("m", "m", "anthropic", unsupported="KEY is not set"), "/embeddings") == "KEY is not set"
    assert unserved(deployment("m", "m", "azure"), "/messages") == "provider azure has no /messages"
    assert unserved(deployment("m", "m", "anthropic"), "/messages") is None
    assert unserved(deployment("m", "m", "openai"), "/messages") is None


@pytest.mark.parametrize(
    ("provider", "version", "known"),
    [
        ("openai", None, True),
        ("mistral", None, False),
        ("azure", "2024-02-15-preview", False),
        ("azure", "2024-08-01-preview", False),
        ("azure", "2024-09-01-preview", True),
        ("azure", "2024-10-21", True),
        ("azure", "v1", True),
        ("azure", "preview", True),
        ("nobody", None, True),
    ],
)
def test_who_can_be_asked_for_the_usage_of_a_stream(provider: str, version: str | None, known: bool) -> None:
    assert counts(deployment("m", "m", provider, api_version=version)) is known
