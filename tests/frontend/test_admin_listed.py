"""How entries of model_list are shown, told apart, and found by a name."""

from typing import Any

import pytest
from pydantic import SecretStr

from askonce.config.policies import Alias
from askonce.config.settings import CacheSettings, Deployment, ProxySettings, Settings
from askonce.core.errors import RequestError
from askonce.frontend.admin.listed import Listed, litellm_params
from askonce.frontend.deployments import for_clients
from askonce.frontend.routing.ids import with_ids
from tests.frontend.kit import deployment

MARK = "marked-secret"
SECRETS: dict[str, Any] = {
    "api_key": SecretStr(MARK),
    "extra_headers": {"X-Team": MARK},
    "organization": f"org-{MARK}",
    "defaults": {"temperature": 0.5, "stream": True, "user": MARK, "tools": [{"token": MARK}], "stop": None},
}


def listed(*deployments: Deployment, **aliases: str) -> Listed:
    cache = CacheSettings(type="local", call_types=frozenset())
    other = tuple(Alias(name=name, model=model) for name, model in aliases.items())
    settings = Settings(source="test", deployments=deployments, aliases=other, cache=cache, proxy=ProxySettings())
    return Listed(for_clients(settings))


def test_an_entry_is_shown_in_litellms_words_and_without_what_may_be_secret() -> None:
    one = Deployment(
        pattern="mine", model="gpt-4o", provider="azure", api_base=f"https://u:{MARK}@az.example/at?code={MARK}",
        api_version="2024-10-21", timeout=9.0, stream_timeout=3.0, **SECRETS,
    )  # fmt: skip
    assert litellm_params(one) == {
        "temperature": 0.5,
        "stream": True,
        "model": "azure/gpt-4o",
        "api_base": "https://az.example/at",
        "api_version": "2024-10-21",
        "timeout": 9.0,
        "stream_timeout": 3.0,
    }
    assert litellm_params(one.model_copy(update={"api_base": "", "defaults": {}, "timeout": None})).keys() == {
        "model", "api_version", "stream_timeout",
    }  # fmt: skip


def test_an_id_is_the_entrys_own_or_stays_the_same_whatever_its_secrets_are() -> None:
    plain = [deployment("a"), deployment("b"), deployment("a", model_info={"id": "mine", "mode": "chat"})]
    ids = [name for name, _ in with_ids(plain)]
    assert ids[2] == "mine"
    assert len(set(ids)) == 3
    assert all(len(name) == 64 for name in ids[:2])
    assert [name for name, _ in with_ids([deployment("a", **SECRETS), deployment("b", timeout=1.0)])] == ids[:2]
    assert [name for name, _ in with_ids([plain[1], plain[0]])] == [ids[1], ids[0]], "the order says nothing"
    twice = [name for name, _ in with_ids([deployment("a", api_key="sk-1"), deployment("a", api_key="sk-2")])]
    assert twice[0] == ids[0] != twice[1]
    assert with_ids([deployment("a", model_info={"id": 7})])[0][0] == "7"


def test_a_name_finds_its_entries_then_litellms_model_then_a_star() -> None:
    star, exact, other = deployment("*", "*"), deployment("gpt-4o", "gpt-4o-mini"), deployment("mine", "gpt-4o")
    hidden = deployment("embedder", "embedder", for_clients=False)
    known = listed(star, exact, other, hidden, short="mine")
    assert known.entries == (star, exact, other)
    for name, found in {
        "gpt-4o": [exact],
        "openai/gpt-4o": [other],
        "openai/gpt-4o-mini": [exact],
        "short": [other],
        "anything": [star],
        "embedder": [star],
    }.items():
        assert known.called(name) == found, name
    without_star = listed(exact)
    with pytest.raises(RequestError) as raised:
        without_star.called("unknown")
    assert (raised.value.status, raised.value.code) == (404, "model_not_found")
