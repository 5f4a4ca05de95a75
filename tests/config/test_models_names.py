"""What models are called: patterns with stars, other names, and what one star stands for in LiteLLM's every-provider
entry.
"""

import pytest

from askonce.config.describe import describe
from askonce.config.names import Names
from askonce.config.notes import ConfigErrors
from askonce.config.patterns import by_meaning, filled, stars
from askonce.config.policies import Alias
from askonce.core.errors import ConfigError
from tests.frontend.kit import deployment

MODELS = """
model_list:
  - {model_name: gpt-4o, litellm_params: {model: x}}
  - {model_name: "team/*", litellm_params: {model: "y-*"}}
"""


# -- patterns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        ("gpt-4o", "gpt-4o", ()),
        ("gpt-4o", "gpt-4", None),
        ("*", "", ("",)),
        ("*", "a/b", ("a/b",)),
        ("gpt-*", "gpt-", ("",)),
        ("gpt-*", "gpt", None),
        ("gpt-*", "my-gpt-4", None),
        ("*-mini", "gpt-mini", ("gpt",)),
        ("*-mini", "gpt-mini-2", None),  # LiteLLM lets more follow
        ("a*a", "a", None),
        ("a*a", "aa", ("",)),
        ("bedrock/*claude*", "bedrock/us.anthropic.claude-3", ("us.anthropic.", "-3")),
        ("bedrock/*claude*", "bedrock/claude", ("", "")),
        ("bedrock/*claude*", "bedrock/mistral", None),
        ("*a*b*", "xabyabz", ("xaby", "", "z")),
        ("*a*b*", "ba", None),
        ("**", "xy", ("xy", "")),
        ("llm/fo::*::static::*", "llm/fo::bar::static::baz", ("bar", "baz")),
        ("a.c*", "abc", None),
        ("[a-z]*", "[a-z]x", ("x",)),
        ("team/*", "team/*", ("*",)),
        ("*x*", "axbxc", ("axb", "c")),
    ],
)
def test_what_the_stars_of_a_pattern_stand_for(pattern, name, found):
    assert stars(pattern, name) == found


def test_a_long_name_is_no_work():
    """An expression that goes back and tries again would not end."""
    assert stars("*a*a*a*a*a*a*b", "a" * 100_000) is None
    assert stars("*b*a*a*a*a*a*c", "a" * 100_000 + "c") is None
    assert stars("*a*a*a*a*a*a*c", "a" * 100_000 + "c") == ("a" * 99_994, *[""] * 6)


@pytest.mark.parametrize(
    ("model", "pattern", "name", "there"),
    [
        ("gpt-4o", "*", "anything", "gpt-4o"),
        ("*", "*", "gpt-4o", "gpt-4o"),
        ("*", "*", "openai/gpt-4o", "gpt-4o"),
        ("*", "openai/*", "openai/openai/x", "openai/x"),
        ("*", "gpt-4o", "gpt-4o", "gpt-4o"),
        ("ft-*", "openai/x", "openai/x", "ft-x"),
        ("x-*-v2", "team/*", "team/a", "x-a-v2"),
        ("*/*", "*::*", "a::b", "a/b"),
        ("*", "*claude*", "my-claude-3", "my-claude-3"),
        ("*", "*claude*", "openai/claude-3", "claude-3"),
        ("a*b*c", "x*", "xy", "aybc"),
        ("*-*", "*-*", "*-x", "*-x"),
    ],
)
def test_the_stars_of_the_model_are_filled_in_order(model, pattern, name, there):
    assert filled(model, pattern, name, "openai/") == there


def test_what_says_more_comes_first():
    patterns = ["*", "gpt-*", "*-4o", "openai/*", "openai/*-mini", "op*ai/*", "**", "ab*cd"]
    assert by_meaning(patterns) == ["openai/*-mini", "openai/*", "op*ai/*", "gpt-*", "ab*cd", "*-4o", "*", "**"]
    found = [deployment(pattern) for pattern in (*patterns, "gpt-4o")]
    for name, pattern in (
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o-mini", "gpt-*"),
        ("my-4o", "*-4o"),
        ("openai/gpt-mini", "openai/*-mini"),
        ("abcd", "ab*cd"),
        ("nobody", "*"),
    ):
        assert [one.pattern for one in Names(found).answering(name)] == [pattern], name
    assert Names([deployment("gpt-*"), deployment("gpt")]).answering("claude") == []


# -- every provider ----------------------------------------------------------------------------------------------------

ALL = "model_list: [{model_name: '*', litellm_params: {model: '*', timeout: 5, temperature: 0}}%s]"


def test_a_star_for_every_provider_serves_those_that_the_environment_has_keys_of(read):
    environ = {
        "OPENAI_API_KEY": "o",
        "ANTHROPIC_API_KEY": "a",
        "OLLAMA_API_BASE": "http://o",
        "GROQ_API_BASE": "http://g",
    }
    settings = read(ALL % "", **environ)
    found = {one.pattern: one for one in settings.deployments}
    assert list(found) == ["*", "text-completion-openai/*", "anthropic/*", "ollama/*", "ollama_chat/*"]
    assert {one.timeout for one in found.values()} == {5.0}
    claude = found["anthropic/*"]
    assert (claude.provider, claude.model, claude.defaults) == ("anthropic", "*", {"temperature": 0})
    assert claude.api_key.get_secret_value() == "a"
    assert (found["ollama/*"].api_base, found["ollama/*"].api_key) == ("http://o/v1", None)


@pytest.mark.parametrize(
    "text",
    [
        "model_list: [{model_name: '*', litellm_params: {model: 'openai/*'}}]",
        "model_list: [{model_name: '*', litellm_params: {model: '*', api_base: 'http://h'}}]",
        "model_list: [{model_name: '*', litellm_params: {model: '*', api_key: k}}]",
        "model_list: [{model_name: '*', litellm_params: {model: '*', custom_llm_provider: openai}}]",
        "model_list: [{model_name: 'gpt', litellm_params: {model: '*'}}]",
        "{}",
    ],
)
def test_one_that_says_where_stands_for_nothing_else(read, text):
    assert len(read(text, ANTHROPIC_API_KEY="a").deployments) == 1


def test_an_entry_of_the_list_is_not_joined_by_an_implied_one(read):
    more = ", {model_name: 'anthropic/*', litellm_params: {model: 'anthropic/*', api_key: mine}}"
    found = read(ALL % more, ANTHROPIC_API_KEY="a").deployments
    assert [one.pattern for one in found] == ["*", "anthropic/*"]
    assert found[1].api_key.get_secret_value() == "mine"
    team = ALL.replace("model_name: '*'", "model_name: 'team/*'")
    assert read(team % "", XAI_API_KEY="a").deployments[1].pattern == "team/xai/*"


# -- aliases -----------------------------------------------------------------------------------------------------------


def test_other_names_of_models(read):
    text = f"""{MODELS}
router_settings:
  model_group_alias: {{fast: gpt-4o, gpt-4: {{model: team/a, hidden: true}}, b: {{model: gpt-4o}}, gpt-4o: gpt-4o}}
litellm_settings: {{model_alias_map: {{old: gpt-4o, fast: team/map}}}}
"""
    settings = read(text)
    assert settings.aliases == (
        Alias(name="old", model="gpt-4o"),
        Alias(name="fast", model="team/map"),
        Alias(name="gpt-4", model="team/a", hidden=True),
        Alias(name="b", model="gpt-4o"),
    )
    assert settings.ignored == ()
    told = describe(settings)
    assert ("alias old", "gpt-4o") in told
    assert ("alias gpt-4", "team/a, hidden") in told


def test_without_a_list_every_alias_leads_to_openai(read):
    assert read("router_settings: {model_group_alias: {a: gpt-4o}}").aliases == (Alias(name="a", model="gpt-4o"),)


@pytest.mark.parametrize(
    ("aliases", "name", "expected"),
    [
        ("{a: nobody}", "a", "must lead to a name that model_list answers to"),
        ("{a: gpt-4o-mini}", "a", "must lead to a name that model_list answers to"),
        ("{a: b, b: gpt-4o}", "a", "must lead to a model of model_list, not to another alias"),
        ("{a: [gpt-4o]}", "a", "must be text (put it in quotes)"),
        ("{a: {hidden: true}}", "a", "must be text (put it in quotes)"),
        ("{a: {model: gpt-4o, hidden: maybe}}", "a", "must be true or false"),
        ("{a: null}", "a", "must be text (put it in quotes)"),
    ],
)
def test_an_alias_that_leads_nowhere_stops_the_start_and_is_named(read, aliases, name, expected):
    with pytest.raises(ConfigError) as caught:
        read(f"{MODELS}\nrouter_settings: {{model_group_alias: {aliases}}}")
    assert not isinstance(caught.value, ConfigErrors)
    assert (caught.value.key, caught.value.expected) == (f"router_settings.model_group_alias.{name}", expected)


def test_an_alias_of_either_setting_must_not_lead_to_one_of_the_other(read):
    aliases = "router_settings: {model_group_alias: {a: b}}\nlitellm_settings: {model_alias_map: {b: gpt-4o}}"
    with pytest.raises(ConfigError, match=r"router_settings\.model_group_alias\.a: must lead to a model of model_list"):
        read(MODELS + aliases)
    with pytest.raises(ConfigError, match=r"litellm_settings\.model_alias_map: must be a mapping"):
        read("litellm_settings: {model_alias_map: [a]}")


# -- timeouts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "router", "litellm", "environ", "expected"),
    [
        ("", "", "", {}, (None, None)),
        ("", "", "request_timeout: 4", {}, (4.0, None)),
        ("", "timeout: '3'", "request_timeout: 4", {}, (3.0, None)),
        ("timeout: 2", "timeout: 3", "request_timeout: 4", {}, (2.0, None)),
        ("request_timeout: 2", "timeout: 3", "", {}, (2.0, None)),
        ("timeout: 1, request_timeout: 2", "", "", {}, (1.0, None)),
        ("", "stream_timeout: 5", "request_timeout: 4", {}, (4.0, 5.0)),
        ("stream_timeout: 6", "stream_timeout: 5", "", {}, (None, 6.0)),
        ("timeout: os.environ/T", "", "", {"T": "9"}, (9.0, None)),
        ("", "timeout: os.environ/T", "", {"T": "9"}, (9.0, None)),
        ("", "", "", {"REQUEST_TIMEOUT": "7"}, (7.0, None)),
        ("", "", "request_timeout: 4", {"REQUEST_TIMEOUT": "7"}, (4.0, None)),
    ],
)
def test_an_entrys_own_time_counts_then_the_routers_then_litellms(read, params, router, litellm, environ, expected):
    text = f"""
model_list: [{{model_name: m, litellm_params: {{model: x{", " if params else ""}{params}}}}}]
router_settings: {{{router}}}
litellm_settings: {{{litellm}}}
"""
    settings = read(text, **environ)
    (deployment,) = settings.deployments
    assert (deployment.timeout, deployment.stream_timeout) == expected
    assert settings.ignored == ()


def test_times_that_are_none(read):
    with pytest.raises(ConfigError, match=r"router_settings\.timeout: must be a number above zero"):
        read("router_settings: {timeout: 0}")
    with pytest.raises(ConfigError, match=r"litellm_settings\.request_timeout: must be a number above zero"):
        read("litellm_settings: {request_timeout: 0}")
    assert read("{}", REQUEST_TIMEOUT="30s").ignored == ("REQUEST_TIMEOUT: must be a number, zero or more",)


def test_who_is_not_served_is_told_where_others_count_on_it(read):
    text = """
model_list:
  - {model_name: a, litellm_params: {model: openai/a}}
  - {model_name: a, litellm_params: {model: bedrock/a}}
  - {model_name: bed, litellm_params: {model: bedrock/b}}
  - {model_name: both, litellm_params: {model: openai/c}}
  - {model_name: both, litellm_params: {model: openai/d}}
router_settings:
  fallbacks: [{a: [bed, both]}]
  default_fallbacks: [bed]
"""
    lines = describe(read(text))
    told = dict(lines)
    assert (told["group a"], told["group both"]) == ("2 deployments, 1 served", "2 deployments")
    assert told["fallbacks a"] == "bed (not served), both"
    assert told["fallbacks of others"] == "bed (not served)"
