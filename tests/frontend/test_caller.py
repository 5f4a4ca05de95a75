"""What a key's record and its team's come to."""

from dataclasses import replace
from typing import Any

import pytest

from askonce.config.settings import Scope
from askonce.core.control import CacheControl
from askonce.core.errors import RequestError, WireError
from askonce.frontend.access.caller import ADMIN, Caller
from askonce.frontend.access.records import KeyRecord, TeamRecord, alias_record, hashed, key_record, team_record
from askonce.frontend.access.terms import Terms
from askonce.stores.counting.protocol import Claim
from tests.frontend.kit import NOW

TOKEN = hashed("sk-a")
KEY = KeyRecord(token=TOKEN)
TEAM = TeamRecord(team_id="t 1")
ALIASES = {"fast": "gpt-4o-mini"}
TERMS = Terms(None, lambda name: ALIASES.get(name, name))


def caller(team: TeamRecord | None = None, terms: Terms = TERMS, **more: Any) -> Caller:
    return terms.caller(replace(KEY, team_id=None if team is None else team.team_id, **more), team)


def refused(of: Caller, model: str) -> str | None:
    try:
        of.require(model)
    except RequestError as error:
        assert (error.status, error.param, error.code) == (403, "model", "403")
        assert error.message == (
            f"The requested model '{model}' is not available for this API key, or the model name is invalid. "
            "Check the models available to you and try again."
        )
        return error.type
    return None


# -- records ----------------------------------------------------------------------------------------------------


def test_a_record_is_read_as_it_was_written_and_keeps_what_it_does_not_know() -> None:
    key = KeyRecord(
        token=TOKEN, key_name="sk-...abcd", key_alias="é", models=("a", "b/*"), rpm_limit=0, model_rpm_limit={"a": 3},
        team_id="t 1", metadata={"cache": {"ttl": 1}}, allowed_cache_controls=("ttl",), max_budget=1.5, expires=NOW,
        blocked=True, created_at=NOW, more={"of a newer version": [1]},
    )  # fmt: skip
    team = TeamRecord(team_id="t 1", team_alias="us", models=("a",), tpm_limit=5)
    assert KeyRecord.decode(key.encode()) == key
    assert TeamRecord.decode(team.encode()) == team
    assert {len(name.rpartition(".")[2]) for name in (key_record(TOKEN), team_record("t 1"), alias_record("é"))} == {64}


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"", "JSON"), (b"[]", "JSON"), (b'"x"', "JSON"), (b"{}", "missing"), (b'{"token":3}', "token"),
        (b'{"token":"x","rpm_limit":-1}', "rpm_limit"), (b'{"token":"x","rpm_limit":true}', "rpm_limit"),
        (b'{"token":"x","models":"gpt"}', "models"), (b'{"token":"x","models":[1]}', "models"),
        (b'{"token":"x","expires":"soon"}', "expires"), (b'{"token":"x","blocked":1}', "blocked"),
        (b'{"token":"x","model_rpm_limit":{"a":"b"}}', "model_rpm_limit"), (b'{"token":"x","metadata":[]}', "metadata"),
    ],
)  # fmt: skip
def test_what_is_no_record_is_told_by_the_member_at_fault(data: bytes, names: str) -> None:
    with pytest.raises(WireError, match=names):
        KeyRecord.decode(data)


# -- models -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("models", "allowed", "not_allowed"),
    [
        ((), ["gpt-4o", "x"], []),
        (("all-proxy-models",), ["gpt-4o", "x"], []),
        (("*",), ["gpt-4o", "x"], []),
        (("gpt-4o", "openai/*"), ["gpt-4o", "openai/x", "openai/"], ["gpt-4", "gpt-4o2", "openai", "Gpt-4o", "*"]),
        (("gpt-4o-mini",), ["gpt-4o-mini", "fast"], ["fas"]),
        (("fast",), ["fast"], ["gpt-4o-mini"]),
        (("no-default-models",), [], ["gpt-4o"]),
        (("all-team-models",), [], ["gpt-4o"]),
    ],
)
def test_a_key_may_ask_its_models(models: tuple[str, ...], allowed: list[str], not_allowed: list[str]) -> None:
    of = caller(models=models)
    assert [refused(of, model) for model in allowed] == [None] * len(allowed)
    assert [refused(of, model) for model in not_allowed] == ["key_model_access_denied"] * len(not_allowed)


def test_its_teams_models_hold_for_a_key_too() -> None:
    team = replace(TEAM, models=("gpt-4o", "o*"))
    for models in ((), ("all-team-models",), ("all-proxy-models",)):
        of = caller(team, models=models)
        assert (refused(of, "gpt-4o"), refused(of, "o1"), refused(of, "fast")) == (
            None, None, "team_model_access_denied",
        )  # fmt: skip
    narrower = caller(team, models=("gpt-4o", "fast"))
    assert refused(narrower, "gpt-4o") is None
    assert refused(narrower, "o1") == "key_model_access_denied"
    assert refused(narrower, "fast") == "team_model_access_denied"
    assert refused(caller(TEAM, models=("all-team-models",)), "anything") is None


def test_the_admin_may_ask_every_model_and_is_never_refused() -> None:
    ADMIN.require("anything")
    ADMIN.stand(NOW)
    assert (ADMIN.claims("x"), ADMIN.imprint, ADMIN.accounts) == ((), "", ())


# -- whether it stands ------------------------------------------------------------------------------------------


def test_a_key_stands_until_it_expires_or_is_blocked() -> None:
    caller(expires=NOW).stand(NOW)
    with pytest.raises(RequestError, match="Expired Key") as error:
        caller(expires=NOW).stand(NOW + 0.1)
    assert (error.value.status, error.value.type, error.value.code) == (401, "expired_key", "401")
    for blocked in (caller(blocked=True), caller(replace(TEAM, blocked=True))):
        with pytest.raises(RequestError, match="is blocked") as error:
            blocked.stand(NOW)
        assert (error.value.status, error.value.type) == (401, "auth_error")
    with pytest.raises(RequestError, match="Expired Key"):
        caller(expires=-1e300).stand(NOW)


# -- the cache --------------------------------------------------------------------------------------------------


def test_a_keys_word_replaces_all_that_a_request_says_but_only_if_cached() -> None:
    of = caller(metadata={"cache": {"no-store": True, "ttl": 5}}, allowed_cache_controls=("ttl",))
    given = CacheControl(no_store=True, ttl=5.0)
    assert of.controls({"no-cache": True, "ttl": "wrong"}, "no-cache, max-age=x") == given
    assert of.controls(None, "") == given
    assert of.controls(None, "no-cache, Only-If-Cached") == replace(given, only_if_cached=True)
    assert caller(metadata={"cache": {}}).controls({"no-store": True}, "no-cache") == CacheControl()


@pytest.mark.parametrize("said", [True, "x", [], {"ttl": "long"}, {"namespace": "a b"}])
def test_a_keys_word_that_cannot_be_read_keeps_it_from_the_cache(said: Any) -> None:
    assert caller(metadata={"cache": said}).controls(None, "") == CacheControl(no_cache=True, no_store=True)


@pytest.mark.parametrize(
    ("body", "header", "name"),
    [
        ({"no-store": True}, "", "no-store"), ({"ttl": 5, "namespace": None}, "", "namespace"),
        ({"unknown": 1}, "", "unknown"), (None, "no-store", "no-store"), (None, "ttl=5, NO-STORE", "no-store"),
        (None, "use-cache", "use-cache"), (None, "namespace=x", "namespace"),
        (None, "similarity-threshold=0.9", "similarity-threshold"), ({}, "no-store", "no-store"),
    ],
)  # fmt: skip
def test_what_a_key_may_not_say_is_refused(body: Any, header: str, name: str) -> None:
    of = caller(allowed_cache_controls=("ttl", "s-maxage"))
    with pytest.raises(RequestError) as error:
        of.controls(body, header)
    said = f"Not allowed to set {name} as a cache control. Contact admin to change permissions."
    assert (error.value.status, error.value.message) == (403, said)


def test_what_a_key_may_say_is_heard() -> None:
    of = caller(allowed_cache_controls=("ttl", "s-maxage"))
    assert of.controls({"ttl": 5, "s-max-age": 3}, "") == CacheControl(ttl=5.0, max_age=3.0)
    assert of.controls(None, "max-age=7, private, only-if-cached") == CacheControl(max_age=7.0, only_if_cached=True)
    assert caller().controls({"no-store": True}, "no-cache") == CacheControl(no_store=True, no_cache=True)
    with pytest.raises(RequestError, match="object"):
        of.controls("all", "")


SCOPES: list[tuple[Scope | None, str | None, str | None, str]] = [
    # the operator's, the team's, the key's: who shares
    (None, None, None, "all"), ("global", None, None, "all"), ("global", "global", "global", "all"),
    ("team", None, None, "team"), ("team", "global", "global", "team"), ("global", "team", None, "team"),
    ("key", "team", "global", "key"), ("global", None, "key", "key"), ("team", "key", None, "key"),
    ("global", None, "of no kind", "key"),
]  # fmt: skip


@pytest.mark.parametrize(("scope", "teams", "keys", "shared"), SCOPES)
def test_answers_are_shared_as_the_narrowest_wants(
    scope: Scope | None, teams: str | None, keys: str | None, shared: str
) -> None:
    team = replace(TEAM, metadata={"cache_scope": teams})
    records = [replace(KEY, token=hashed(name), team_id="t 1", metadata={"cache_scope": keys}) for name in "ab"]
    terms = replace(TERMS, scope=scope)
    one, other = (terms.caller(record, team) for record in records)
    alone = [terms.caller(replace(record, team_id=None), None) for record in records]
    assert (one.tenant == "") == (shared == "all")
    assert (one.tenant == other.tenant) == (shared != "key")
    if shared != "all":
        assert one.imprint
        if teams is None or keys is not None:
            assert (alone[0].tenant == alone[1].tenant) == (alone[0].tenant == "")


def test_callers_are_told_apart_where_the_same_request_may_mean_something_else() -> None:
    plain = caller()
    assert plain.imprint == caller(models=("a",), rpm_limit=3).imprint == ""
    imprints = {
        caller(metadata={"cache": {}}).imprint,
        caller(metadata={"cache": {"ttl": 1}}).imprint,
        caller(allowed_cache_controls=("ttl",)).imprint,
        caller(metadata={"cache_scope": "key"}).imprint,
        plain.imprint,
    }
    assert len(imprints) == 5


# -- limits and money -------------------------------------------------------------------------------------------


def test_what_a_request_counts_under() -> None:
    assert caller().claims("gpt-4o") == ()
    team = replace(TEAM, tpm_limit=9, model_tpm_limit={"gpt-4o-mini": 2})
    terms = replace(TERMS, everybody=(Claim("all", parallel=7),))
    of = caller(team, terms, rpm_limit=5, max_parallel_requests=0, model_rpm_limit={"gpt-4o": 1, "fast": 3})
    key, teams = f"key:{TOKEN}", f"team:{hashed('t 1')}"
    general = (Claim("all", parallel=7), Claim(key, 5, None, 0), Claim(teams, None, 9, None))
    assert of.claims("other") == general
    assert of.claims("gpt-4o") == (*general, Claim(f"{key}:model:gpt-4o", 1))
    mini = Claim(f"{teams}:model:gpt-4o-mini", None, 2)
    assert of.claims("gpt-4o-mini") == (*general, mini)
    assert of.claims("fast") == (*general, Claim(f"{key}:model:fast", 3), mini)
    assert terms.admin().claims("x") == (Claim("all", parallel=7),)
    assert TERMS.admin() is ADMIN


def test_who_pays_and_up_to_what() -> None:
    key, team = f"key:{TOKEN}", f"team:{hashed('t 1')}"
    assert (caller().accounts, caller().budgets) == ((key,), ())
    of = caller(replace(TEAM, max_budget=0.0), max_budget=2.5)
    assert (of.accounts, of.budgets) == ((key, team), ((key, 2.5), (team, 0.0)))
    assert of.shown == {key: "Key=key", team: "Team=t 1"}
    named = caller(key_alias="anna", key_name="sk-...abcd")
    assert named.shown == {key: "Key=anna (sk-...abcd)"}
