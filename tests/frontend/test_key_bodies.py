"""What bodies of the routes for keys say: durations, and fields by their names."""

from datetime import UTC, datetime
from typing import Any

import pytest

from askonce.core.errors import RequestError
from askonce.frontend.access.records import KeyRecord
from askonce.frontend.admin.durations import expiry
from askonce.frontend.admin.fields import MOST_METADATA, OF_KEYS, OF_TEAMS, read_fields, text
from askonce.frontend.admin.listing import chosen, page, read_wanted

NOW = datetime(2028, 1, 31, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("30s", 30), ("30m", 1800), ("30h", 108000), ("30d", 2592000), ("2w", 1209600), ("1s", 1)],
)
def test_a_duration_is_counted_from_now(duration: str, seconds: int) -> None:
    assert expiry(duration, NOW) == NOW + seconds


@pytest.mark.parametrize(("duration", "end"), [("1mo", (2028, 2, 29)), ("13mo", (2029, 2, 28)), ("2mo", (2028, 3, 31))])
def test_a_month_is_one_of_the_calendar(duration: str, end: tuple[int, int, int]) -> None:
    assert expiry(duration, NOW) == datetime(*end, 12, tzinfo=UTC).timestamp()


def test_minus_one_is_for_ever() -> None:
    assert expiry("-1", NOW) is None


@pytest.mark.parametrize(
    "wrong", ["", "30", "d", "-2d", "1.5h", "30 d", "30D", "0d", "999999999w", "999999999mo", "٣d"]
)
def test_what_is_no_duration_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="such as"):
        expiry(wrong, NOW)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"models": ["a", 1]}, "models"),
        ({"models": [""]}, "models"),
        ({"rpm_limit": True}, "rpm_limit"),
        ({"rpm_limit": 1.5}, "rpm_limit"),
        ({"tpm_limit": 2**60}, "tpm_limit"),
        ({"max_parallel_requests": "3"}, "max_parallel_requests"),
        ({"model_rpm_limit": {"a": -1}}, "model_rpm_limit"),
        ({"model_tpm_limit": [1]}, "model_tpm_limit"),
        ({"max_budget": -0.1}, "max_budget"),
        ({"max_budget": "1"}, "max_budget"),
        ({"key_alias": ""}, "key_alias"),
        ({"allowed_cache_controls": "no-cache"}, "allowed_cache_controls"),
        ({"metadata": {"x": "y" * MOST_METADATA}}, "metadata"),
        ({"metadata": {"cache": {"ttl": "soon"}}}, "metadata.cache.ttl"),
        ({"metadata": {"cache_scope": "nobody"}}, "metadata.cache_scope"),
        ({"metadata": {"cache_scope": []}}, "metadata.cache_scope"),
        ({"metadata": {"model_rpm_limit": {"a": 1}}}, "metadata.model_rpm_limit"),
        ({"metadata": {"guardrails": ["pii"]}}, "metadata.guardrails"),
        ({"metadata": {"tags": ["a"], "logging": [], "model_itpm_limit": {"a": 1}}}, "metadata.model_itpm_limit"),
        ({"key_type": []}, "key_type"),
        ({"soft_budget": "x"}, "soft_budget"),
        ({"organization_id": "acme"}, "organization_id"),
    ],
)
def test_a_wrong_or_unheld_field_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as refusal:
        read_fields(body, OF_KEYS, frozenset())
    assert (refusal.value.status, refusal.value.param) == (400, param)
    assert param.rpartition(".")[2] in refusal.value.message


def test_all_that_is_wrong_is_told_at_once_with_what_may_be_meant() -> None:
    body = {"budget_duration": "30d", "rpm_limits": 5, "tpm_limit": "x", "colour": "red", "models": ["a"]}
    with pytest.raises(RequestError) as refusal:
        read_fields(body, OF_KEYS, frozenset())
    assert refusal.value.param == "budget_duration"
    assert refusal.value.message == (
        "budget_duration is not supported: leave it out (docs/keys.md). "
        "rpm_limits is not known. Did you mean rpm_limit? "
        "tpm_limit must be a whole number, 0 or more. "
        "colour is not known (docs/keys.md)."
    )
    with pytest.raises(RequestError) as refusal:
        read_fields({f"colour_{n}": 1 for n in range(999)}, OF_KEYS, frozenset())
    assert refusal.value.message.endswith(" And so on.")
    assert len(refusal.value.message) < 1000


def test_what_litellm_only_keeps_in_metadata_is_kept_here_too() -> None:
    metadata = {"tags": ["a"], "who": "me", "guardrails": [], "policies": None}
    assert read_fields({"metadata": metadata}, OF_KEYS, frozenset()).known == {"metadata": metadata}


def test_a_field_that_must_be_there_is_said_to_be_missing() -> None:
    with pytest.raises(RequestError) as refusal:
        text({}, "key")
    assert (refusal.value.message, refusal.value.param) == ("key is missing.", "key")


def test_null_takes_a_setting_away_and_an_absent_one_is_left_alone() -> None:
    said = read_fields(dict.fromkeys(OF_KEYS), OF_KEYS, frozenset())
    fresh = KeyRecord(token="t")
    assert said.known == {name: getattr(fresh, name) for name in OF_KEYS}
    assert read_fields({}, OF_KEYS, frozenset()).known == {}


def test_a_team_has_no_cache_control_of_its_own() -> None:
    with pytest.raises(RequestError) as refusal:
        read_fields({"metadata": {"cache": {"no-store": True}}}, OF_TEAMS, frozenset())
    assert refusal.value.param == "metadata.cache"


def test_keys_are_listed_in_order_and_by_pages() -> None:
    keys = [KeyRecord(token=f"{n}", created_at=n % 3, user_id="u" if n % 2 else None) for n in range(7)]
    wanted = read_wanted({"size": "3", "page": "2"})
    shown, told = page(chosen(keys, wanted), wanted)
    assert [one.token for one in shown] == ["4", "0", "3"]
    assert told == {"total_count": 7, "current_page": 2, "total_pages": 3}
    assert [one.token for one in chosen(keys, read_wanted({"user_id": "u", "sort_order": "asc"}))] == ["3", "1", "5"]
    nobodys = [one.token for one in chosen(keys, read_wanted({"sort_by": "user_id"}))]
    assert nobodys[3:] == ["0", "2", "4", "6"]


@pytest.mark.parametrize(
    "query",
    [{"page": "0"}, {"size": "101"}, {"size": "x"}, {"sort_by": "spend"}, {"sort_order": "up"}, {"status": "expired"},
     {"return_full_object": "maybe"}],
)  # fmt: skip
def test_a_wrong_parameter_of_the_list_is_named(query: dict[str, str]) -> None:
    with pytest.raises(RequestError) as refusal:
        read_wanted(query)
    assert refusal.value.param == next(iter(query))
