"""Shares and prices of an entry of `model_list`."""

import pytest

from askonce.config.policies import Prices
from askonce.core.errors import ConfigError


def entry(params: str = "", info: str = "") -> str:
    return (
        f"model_list: [{{model_name: m, litellm_params: {{model: azure/mine, api_base: 'http://h', {params}}}, "
        f"model_info: {{{info}}}}}]"
    )


def of(read, text, **environ):
    (deployment,) = read(text, **environ).deployments
    return deployment


def test_an_entry_says_its_share_of_a_group(read):
    one = of(read, entry("weight: 0.5, rpm: 60, tpm: '9000', order: 2, max_parallel_requests: 4, num_retries: 3"))
    assert (one.weight, one.rpm, one.tpm, one.order) == (0.5, 60, 9000, 2)
    assert (one.max_parallel_requests, one.num_retries) == (4, 3)


def test_an_entry_that_says_nothing_has_none(read):
    one = of(read, entry())
    assert (one.weight, one.rpm, one.tpm, one.order, one.max_parallel_requests) == (None,) * 5
    assert (one.num_retries, one.base_model, one.prices) == (None, None, Prices())


def test_max_retries_is_heard_where_num_retries_is_not_said(read):
    assert of(read, entry("max_retries: 2")).num_retries == 2
    assert of(read, entry("max_retries: 2, num_retries: 0")).num_retries == 0


def test_prices_of_the_entry_go_before_those_of_its_model_info(read):
    info = "input_cost_per_token: 5, output_cost_per_token: 0.00002, mode: chat, input_cost_per_second: 0"
    one = of(read, entry("input_cost_per_token: 1e-6, cache_read_input_token_cost: 5.0e-7", info))
    assert one.prices == Prices(input_token=1e-06, output_token=2e-05, cached_token=5e-07, second=0)
    assert (one.model_info["input_cost_per_token"], one.model_info["mode"]) == (5, "chat")


def test_other_units_have_prices_too(read):
    one = of(read, entry("input_cost_per_query: 0.002, input_cost_per_character: os.environ/LETTER"), LETTER="0.00003")
    assert one.prices == Prices(query=0.002, character=3e-05)


def test_the_base_model_is_said_in_either_place(read):
    assert of(read, entry(info="base_model: azure/gpt-4o")).base_model == "azure/gpt-4o"
    assert of(read, entry("base_model: gpt-4o", "base_model: azure/gpt-4")).base_model == "gpt-4o"


@pytest.mark.parametrize(
    ("params", "info", "key"),
    [
        ("weight: -1", "", "litellm_params.weight"),
        ("rpm: many", "", "litellm_params.rpm"),
        ("tpm: 1.5", "", "litellm_params.tpm"),
        ("max_parallel_requests: 0", "", "litellm_params.max_parallel_requests"),
        ("num_retries: -1", "", "litellm_params.num_retries"),
        ("input_cost_per_token: -0.1", "", "litellm_params.input_cost_per_token"),
        ("", "output_cost_per_token: cheap", "model_info.output_cost_per_token"),
        ("", "input_cost_per_query: true", "model_info.input_cost_per_query"),
    ],
)
def test_a_wrong_one_stops_the_start(read, params, info, key):
    with pytest.raises(ConfigError) as caught:
        read(entry(params, info))
    assert caught.value.key == f"model_list[0].{key}"
    assert "number" in caught.value.expected


def test_prices_of_an_entry_of_all_providers_are_those_of_each(read):
    text = "model_list: [{model_name: '*', litellm_params: {model: '*', weight: 2, input_cost_per_token: 1}}]"
    settings = read(text, OPENAI_API_KEY="sk-1", GROQ_API_KEY="gsk-1")
    assert {(one.provider, one.weight, one.prices.input_token) for one in settings.deployments} == {
        ("openai", 2, 1),
        ("text-completion-openai", 2, 1),
        ("groq", 2, 1),
    }
