"""Which names follow, after which failures; what a request may say of it; and what headers tell."""

from typing import Any

import orjson
import pytest

from askonce.calls.responses import RESPONSES
from askonce.config.policies import Alias, RoutingSettings
from askonce.core.errors import RequestError
from askonce.frontend.access.caller import ADMIN, Caller, Grant
from askonce.frontend.auth import Gate
from askonce.frontend.deployments import Deployments
from askonce.frontend.falling import Fallbacks, Kind, kind_of
from askonce.frontend.grouping import Groups
from askonce.frontend.instead import read_instead
from askonce.frontend.keys import Keys
from askonce.frontend.question import Placing
from askonce.frontend.telling import cost_text, of_key, tries, without_ours
from askonce.stores.counting.protocol import Claim
from askonce.telemetry.metrics import Metrics
from tests.frontend.kit import RULES, ask, deployment

NAMES = ("a", "b", "c", "d", "gpt-4o", "gpt-mini")
BODY: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}


def placing(*more: Any, groups: Any = (), scope: Any = None, **models: str) -> Placing:
    rows = [deployment(name, models.get(name, name), api_key="sk-own") for name in NAMES]
    known = Deployments([*rows, *more], [Alias(name="nick", model="b")])
    return Placing(known, Gate(None, scope), Keys("", Groups(groups, known)), RULES)


def followed(model: str = "a", kinds: str = "group", caller: Caller = ADMIN, instead: Any = None, **said: Any) -> str:
    """The names that are asked, each failing in the same way."""
    place = placing()
    first = place.place(ask({"model": model, **BODY})._replace(instead=instead), caller)
    falling = Fallbacks(RoutingSettings(**said), place, Metrics()).of(first, caller)
    names, question = [], first
    while falling is not None and (following := falling.after(question, Kind(kinds))) is not None:
        question = following
        names.append(question.ask.model)
        assert question.ask.body == {"model": question.ask.model, **BODY}
        assert question.key == place.place(ask(question.ask.body), caller).key != first.key
    return " ".join(names)


@pytest.mark.parametrize(
    ("said", "model", "names"),
    [
        ({"fallbacks": {"a": ("b", "c")}}, "a", "b c"),
        ({"fallbacks": {"b": ("c",)}}, "a", ""),
        ({"fallbacks": {"a": ("b",), "b": ("c", "a"), "c": ("a",)}}, "a", "b c"),
        ({"fallbacks": {"a": ("b", "d"), "b": ("c",)}}, "a", "b d c"),
        ({"fallbacks": {"*": ("a",), "gpt-*": ("b",), "gpt-4o": ("c",)}}, "gpt-4o", "c a"),
        ({"fallbacks": {"*": ("a",), "gpt-*": ("b",)}}, "gpt-mini", "b a"),
        ({"fallbacks": {"b": ("c",)}}, "nick", "c"),
        ({"fallbacks": {"nick": ("d",), "b": ("c",)}}, "nick", "d"),
        ({"fallbacks": {"a": ("nick", "b", "c")}}, "a", "nick c"),
        ({"fallbacks": {"a": ("unknown", "c")}}, "a", "c"),
        ({"default_fallbacks": ("b", "c")}, "b", "c"),
        ({"fallbacks": {"a": ("b",)}, "default_fallbacks": ("d",)}, "a", "b d"),
        ({"fallbacks": {"a": ("b", "c", "d")}, "max_fallbacks": 2}, "a", "b c"),
        ({"fallbacks": {"a": ("b",)}, "max_fallbacks": 0}, "a", ""),
    ],
)
def test_names_follow_in_order_and_none_twice(said: dict[str, Any], model: str, names: str) -> None:
    assert followed(model, **said) == names


def test_each_kind_of_failure_has_its_table_and_without_one_that_of_all() -> None:
    tables = {"fallbacks": {"a": ("b",)}, "default_fallbacks": ("d",)}
    window = {"context_window_fallbacks": {"a": ("c",)}}
    assert followed(kinds="context", **tables, **window) == "c"
    assert followed(kinds="context", **tables) == "b d"
    assert followed(kinds="policy", **tables, content_policy_fallbacks={"b": ("c",)}) == ""
    assert followed(kinds="group", **tables, **window) == "b d"
    assert followed(kinds="client", **tables, **window) == ""


def test_a_model_that_the_key_may_not_ask_is_passed_over_and_costs_no_try() -> None:
    may = Caller(name="0" * 64, grants=(Grant("key", frozenset({"a", "c"})),))
    assert followed(caller=may, fallbacks={"a": ("b", "c")}, max_fallbacks=1) == "c"
    assert followed(caller=may, instead=({"model": "b"}, {"model": "c"})) == "c"


def test_a_request_replaces_what_is_configured() -> None:
    named = {"fallbacks": {"a": ("b",), "c": ("d",)}}
    assert followed(instead=({"model": "c"},), **named) == "c"
    assert followed(instead=(), **named) == ""


def test_what_a_provider_keeps_follows_nowhere() -> None:
    place = placing()
    fallbacks = Fallbacks(RoutingSettings(default_fallbacks=("b",)), place, Metrics())
    body = {"model": "a", "input": "hi"}
    kept = place.place(ask(body, endpoint=RESPONSES), ADMIN)
    assert fallbacks.of(kept, ADMIN) is None
    free = place.place(ask({**body, "store": False}, endpoint=RESPONSES), ADMIN)
    assert fallbacks.of(free, ADMIN) is not None


def test_a_fallback_whose_body_is_wrong_is_passed_over() -> None:
    place = placing()
    first = place.place(ask({"model": "a", **BODY})._replace(instead=({"model": "b", "messages": 1},)), ADMIN)
    falling = Fallbacks(RoutingSettings(), place, Metrics()).of(first, ADMIN)
    assert falling is not None
    assert falling.after(first, Kind.GROUP) is None


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_a_group_that_is_away_or_busy_has_failed(status: int) -> None:
    assert kind_of(status, b"", own_key=False) is Kind.GROUP


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_is_the_trouble_of_who_gave_it(status: int) -> None:
    assert kind_of(status, b"", own_key=True) is Kind.GROUP
    assert kind_of(status, b"", own_key=False) is Kind.CLIENT


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"error": {"code": "context_length_exceeded", "message": "too much"}}, Kind.CONTEXT),
        ({"error": {"message": "This model's maximum context length is 8192 tokens."}}, Kind.CONTEXT),
        ({"type": "error", "error": {"message": "prompt is too long: 9 tokens > 8 maximum"}}, Kind.CONTEXT),
        ({"message": "Input is too long for requested model."}, Kind.CONTEXT),
        ({"error": {"message": "The input exceeds the available context size."}}, Kind.CONTEXT),
        ({"error": {"message": "Please reduce the length of the messages or completion."}}, Kind.CONTEXT),
        ({"error": "`inputs` tokens + `max_new_tokens` must be <= 8"}, Kind.CONTEXT),
        ({"error": {"code": "content_filter", "message": "filtered"}}, Kind.POLICY),
        ({"error": {"code": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, Kind.POLICY),
        ({"error": {"code": "content_policy_violation"}}, Kind.POLICY),
        ({"error": {"code": "string_above_max_length", "message": "context length exceeded"}}, Kind.CLIENT),
        ({"error": {"code": "wrong", "message": "no", "input": "context_length_exceeded"}}, Kind.CLIENT),
        ({"error": {"code": None}}, Kind.CLIENT),
        ([], Kind.CLIENT),
    ],
)
def test_a_wrong_request_is_told_by_its_words(error: object, kind: Kind) -> None:
    assert kind_of(400, orjson.dumps(error), own_key=True) is kind
    assert kind_of(422, orjson.dumps(error), own_key=True) is Kind.CLIENT


def test_an_error_that_is_no_json_is_read_as_text() -> None:
    assert kind_of(400, b"maximum context length \xff", own_key=True) is Kind.CONTEXT


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({}, None),
        ({"fallbacks": None, "disable_fallbacks": False}, None),
        ({"fallbacks": []}, ()),
        (
            {"fallbacks": ["b", {"model": "c", "top_p": 1, "stream": True}]},
            ({"model": "b"}, {"model": "c", "top_p": 1}),
        ),
        ({"fallbacks": [{"a": ["b"]}, {"c": ["d"]}]}, ({"model": "b"},)),
        ({"fallbacks": [{"*": ["b"]}]}, ({"model": "b"},)),
        ({"fallbacks": '["b", "c"]'}, ({"model": "b"}, {"model": "c"})),
        ({"fallbacks": "b"}, ({"model": "b"},)),
        ({"fallbacks[]": ["b", "c"]}, ({"model": "b"}, {"model": "c"})),
        ({"fallbacks": ["b"], "disable_fallbacks": True}, ()),
        ({"disable_fallbacks": "true"}, ()),
    ],
)
def test_what_a_request_says_is_read_and_taken_out(said: dict[str, Any], found: object) -> None:
    body = {"model": "a", "n": 1, **said}
    assert read_instead(body) == found
    assert body == {"model": "a", "n": 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fallbacks", 1),
        ("fallbacks", [1]),
        ("fallbacks", [""]),
        ("fallbacks", [{}]),
        ("fallbacks", [{"a": "b"}]),
        ("fallbacks", ["b"] * 101),
        ("disable_fallbacks", "perhaps"),
        ("disable_fallbacks", 1),
    ],
)
def test_what_cannot_be_read_names_its_field(name: str, value: object) -> None:
    with pytest.raises(RequestError) as caught:
        read_instead({"model": "a", name: value})
    assert (caught.value.status, caught.value.param) == (400, name)


def test_models_of_a_group_have_one_key_whoever_is_asked() -> None:
    place = placing(groups=[("b", "a")])
    keys = {name: place.place(ask({"model": name, **BODY}), ADMIN).key for name in (*NAMES, "nick")}
    assert keys["a"] == keys["b"] == keys["nick"]
    assert len(set(keys.values())) == len(NAMES) - 1
    assert keys["c"] == placing().place(ask({"model": "c", **BODY}), ADMIN).key
    assert keys["a"] != placing().place(ask({"model": "a", **BODY}), ADMIN).key


def test_another_member_or_another_provider_of_one_is_another_group() -> None:
    key = [
        place.place(ask({"model": "a", **BODY}), ADMIN).key
        for place in (
            placing(groups=[("a", "b")]),
            placing(groups=[("a", "b", "c")]),
            placing(groups=[("a", "b")], b="other"),
        )
    ]
    assert len(set(key)) == 3


def test_what_is_no_key_of_the_proxys_own_is_not_shared_with_who_has_one() -> None:
    place = placing(deployment("open", "a"), groups=[("a", "open")])
    asks = [ask({"model": name, **BODY}, headers={"Authorization": "Bearer sk-x"}) for name in ("a", "open")]
    assert len({place.place(one, ADMIN).key for one in asks}) == 2


@pytest.mark.parametrize(
    ("dollars", "text"),
    [(0.0, "0.0"), (1.0, "1.0"), (0.1 + 0.2, "0.3"), (1.2e-05, "0.000012"), (1234.5, "1234.5"), (1e-9 / 3, None)],
)
def test_a_cost_is_written_as_a_number_without_an_exponent(dollars: float, text: str | None) -> None:
    written = cost_text(dollars)
    assert "e" not in written
    assert float(written) == pytest.approx(dollars)
    assert text in {None, written}


def test_a_name_that_no_header_can_hold_is_not_told() -> None:
    assert tries("m\r\nx", fallbacks=0, retries=2)[0][0] == "x-litellm-attempted-fallbacks"
    assert tries("m", fallbacks=0, retries=2)[-1] == ("x-litellm-attempted-retries", "2")


def test_what_another_proxy_says_of_itself_is_not_passed_on() -> None:
    theirs = [("X-LiteLLM-Response-Cost", "1"), ("x-litellm-key-spend", "2"), ("x-request-id", "3")]
    assert without_ours(theirs) == [("x-request-id", "3")]


def test_a_key_is_told_its_own_limits_and_not_its_teams() -> None:
    key = Caller(
        name="k", limits=(Claim("key:k", 60, None), Claim("team:t", 9, 9)), budgets=(("team:t", 1.0), ("key:k", 2.5))
    )
    assert of_key(key) == [("x-litellm-key-max-budget", "2.5"), ("x-litellm-key-rpm-limit", "60")]
    assert of_key(ADMIN) == []
