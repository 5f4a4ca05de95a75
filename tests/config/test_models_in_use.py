"""A config.yaml as people have it who use much of LiteLLM: it starts, and says once what has no effect here."""

import pytest

from askonce.config.policies import Alias
from askonce.config.surface.rows import listed

CONFIG = """
include: [more.yaml]
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: azure/gpt-4o-eu
      api_base: https://eu.openai.azure.com/
      api_key: os.environ/AZURE_EU_KEY
      api_version: 2024-10-21
      base_model: azure/gpt-4o
      weight: 3
      rpm: 600
      tpm: 90000
      input_cost_per_token: 0.0000025
      max_parallel_requests: 10
      temperature: 0.1
    model_info: {id: eu-1, base_model: azure/gpt-4o, mode: chat, region: eu, supports_vision: true}
  - model_name: gpt-4o
    litellm_params:
      model: azure/gpt-4o-us
      api_base: https://us.openai.azure.com/openai/deployments/gpt-4o-us/chat/completions?api-version=2025-01-01-preview
      api_key: os.environ/AZURE_US_KEY
      weight: 1
      rpm: 300
      order: 2
  - model_name: gpt-4o
    litellm_params: {model: gpt-4o, api_key: os.environ/OPENAI_API_KEY, organization: org-1, max_retries: 0, order: 3}
  - model_name: entra
    litellm_params:
      model: azure/gpt-4o
      api_base: https://eu.openai.azure.com
      tenant_id: os.environ/TENANT
      client_id: os.environ/CLIENT
      client_secret: os.environ/SECRET
  - model_name: claude
    litellm_params:
      model: anthropic/claude-sonnet-4
      api_key: os.environ/ANTHROPIC_API_KEY
      max_tokens: 4096
      extra_headers: {anthropic-beta: "context-1m"}
      cache_control_injection_points: [{location: message, role: system}]
  - model_name: claude
    litellm_params:
      model: bedrock/us.anthropic.claude-sonnet-4
      aws_region_name: us-east-1
      aws_access_key_id: os.environ/AWS_ACCESS_KEY_ID
  - model_name: gemini
    litellm_params: {model: vertex_ai/gemini-2.5-pro, vertex_project: p, vertex_credentials: f}
  - {model_name: gemini-flash, litellm_params: {model: gemini/gemini-2.5-flash, api_key: os.environ/GEMINI_API_KEY}}
  - {model_name: local, litellm_params: {model: ollama_chat/llama3.1, api_base: "http://gpu:11434", num_ctx: 8192}}
  - {model_name: "groq/*", litellm_params: {model: "groq/*", api_key: os.environ/GROQ_API_KEY}}
  - {model_name: "bedrock/*claude*", litellm_params: {model: "bedrock/*claude*"}}
  - model_name: embeddings
    litellm_params: {model: text-embedding-3-small, dimensions: 512}
    model_info: {mode: embedding}
  - {model_name: rerank, litellm_params: {model: cohere/rerank-v3.5, api_key: os.environ/COHERE_API_KEY}}
  - {model_name: acme, litellm_params: {model: acme/x, mock_response: hi}, tpm: 5, access_groups: [beta]}

litellm_settings:
  drop_params: true
  num_retries: 3
  request_timeout: 600
  callbacks: [prometheus, otel]
  success_callback: [langfuse]
  failure_callback: [sentry]
  fallbacks: [{gpt-4o: [claude]}]
  context_window_fallbacks: [{gpt-4o: [gemini]}]
  cache: true
  cache_params: {type: local, ttl: 60}
  max_budget: 100
  something_new: {a: 1}

router_settings:
  routing_strategy: usage-based-routing-v2
  model_group_alias: {gpt-4: gpt-4o, best: {model: claude, hidden: true}}
  redis_host: os.environ/REDIS_HOST
  redis_password: os.environ/REDIS_PASSWORD
  num_retries: 2
  timeout: 120
  stream_timeout: 15
  allowed_fails: 3
  cooldown_time: 30
  retry_policy: {RateLimitErrorRetries: 3}

general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
  database_url: os.environ/DATABASE_URL
  alerting: [slack]
  proxy_batch_write_at: 60
  store_model_in_db: true

guardrails:
  - {guardrail_name: pii, litellm_params: {guardrail: presidio, mode: pre_call}}
credential_list: [{credential_name: c, credential_values: {api_key: os.environ/NO}}]
callback_settings: {otel: {message_logging: false}}
mcp_servers: {files: {url: "http://mcp"}}
"""
KEYS = ("AZURE_EU_KEY", "AZURE_US_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GROQ_API_KEY")
VARIABLES = {name: f"s3cr3t-{name}" for name in (*KEYS, "TENANT", "CLIENT", "SECRET", "LITELLM_MASTER_KEY")}


@pytest.fixture
def settings(read):
    return read(CONFIG, **VARIABLES)


def test_what_can_be_served_is_and_the_rest_says_why(settings):
    assert [(one.pattern, one.provider, one.model, one.unsupported) for one in settings.deployments] == [
        ("gpt-4o", "azure", "gpt-4o-eu", None),
        ("gpt-4o", "azure", "gpt-4o-us", None),
        ("gpt-4o", "openai", "gpt-4o", None),
        ("entra", "azure", "gpt-4o", "tokens from Microsoft Entra ID are not built yet: set api_key or azure_ad_token"),
        ("claude", "anthropic", "claude-sonnet-4", None),
        ("claude", "bedrock", "us.anthropic.claude-sonnet-4", "provider bedrock is not built yet"),
        ("gemini", "vertex_ai", "gemini-2.5-pro", "provider vertex_ai is not built yet"),
        ("gemini-flash", "gemini", "gemini-2.5-flash", None),
        ("local", "ollama_chat", "llama3.1", None),
        ("groq/*", "groq", "*", None),
        ("bedrock/*claude*", "bedrock", "*claude*", "provider bedrock is not built yet"),
        ("embeddings", "openai", "text-embedding-3-small", None),
        ("rerank", "cohere", "rerank-v3.5", "COHERE_API_KEY is not set"),
        ("acme", "acme", "x", "provider acme is not known; for a server that speaks OpenAI's API, set api_base"),
    ]
    assert settings.aliases == (Alias(name="gpt-4", model="gpt-4o"), Alias(name="best", model="claude", hidden=True))
    eu, us, *_ = settings.deployments
    assert (eu.api_base, eu.api_version) == ("https://eu.openai.azure.com", "2024-10-21")
    assert (us.api_base, us.api_version) == ("https://us.openai.azure.com", "2025-01-01-preview")
    assert eu.model_info["id"] == "eu-1"
    assert {(one.timeout, one.stream_timeout) for one in settings.deployments} == {(120.0, 15.0)}


def test_groups_have_shares_prices_and_others_to_ask(settings):
    eu, us, openai, *_ = settings.deployments
    assert (eu.weight, eu.rpm, eu.tpm, eu.max_parallel_requests) == (3, 600, 90000, 10)
    assert (eu.base_model, eu.prices.input_token, eu.prices.output_token) == ("azure/gpt-4o", 2.5e-06, None)
    assert (us.order, openai.order, openai.num_retries) == (2, 3, 0)
    routing = settings.routing
    assert (routing.strategy, routing.num_retries, routing.cooldown) == ("usage-based-routing-v2", 2, 30)
    assert (routing.fallbacks, routing.context_window_fallbacks) == ({"gpt-4o": ("claude",)}, {"gpt-4o": ("gemini",)})
    assert "litellm_settings.num_retries: has no effect beside router_settings.num_retries" in settings.ignored
    assert "router_settings.redis_host: REDIS_HOST is not set" in settings.ignored
    assert settings.access.redis is None


def test_only_what_makes_answers_goes_into_requests(settings):
    defaults = {one.model: one.defaults for one in settings.deployments if one.defaults}
    assert defaults == {
        "gpt-4o-eu": {"temperature": 0.1},
        "claude-sonnet-4": {"max_tokens": 4096},
        "llama3.1": {"num_ctx": 8192},
        "text-embedding-3-small": {"dimensions": 512},
    }


def test_what_has_no_effect_is_listed_once(settings):
    names = [line.split(": ")[0] for line in settings.ignored]
    assert len(names) == len(set(names))
    prefix = "model_list[].litellm_params."
    of_entries = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    assert of_entries >= {"aws_region_name", "vertex_project", "mock_response", "cache_control_injection_points"}
    assert "model_list[].access_groups: not known" in settings.ignored
    assert "litellm_settings.something_new: not known" in settings.ignored
    assert "guardrails: not built yet" in settings.ignored
    built = {
        "litellm_settings.request_timeout", "router_settings.timeout", "router_settings.stream_timeout",
        "router_settings.model_group_alias", "model_list[].model_info", f"{prefix}api_version",
        f"{prefix}weight", f"{prefix}rpm", f"{prefix}input_cost_per_token", "router_settings.routing_strategy",
    }  # fmt: skip
    assert not built & set(names)
    assert "s3cr3t" not in repr(settings) + "".join(settings.ignored)


@pytest.mark.parametrize(
    ("name", "meant"), [("wieght", "weight"), ("rmp", "rpm"), ("time_out", "timeout"), ("apikey", "api_key")]
)
def test_a_default_that_looks_like_a_setting_is_told(read, name, meant):
    settings = read(f"model_list: [{{model_name: a, litellm_params: {{model: openai/a, {name}: SECRET-3}}}}]")
    where = f"model_list[0].litellm_params.{name}"
    assert settings.warnings == (f"{where} goes into every request, for it is not known: is it {meant}?",)
    assert settings.deployments[0].defaults == {name: "SECRET-3"}


def test_parameters_of_requests_are_no_mistakes(read):
    names = listed("""
        temperature top_p top_k n stop seed user store tools tool_choice modalities dimensions voice language thinking
        models prompt verbosity max_tokens max_completion_tokens reasoning_effort prompt_cache_key service_tier
        response_format logprobs logit_bias min_p best_of keep_alive include background truncation input_type top_n
    """)
    params = ", ".join(f"{name}: 1" for name in names)
    settings = read(f"model_list: [{{model_name: a, litellm_params: {{model: openai/a, {params}}}}}]")
    assert settings.warnings == ()
    assert set(settings.deployments[0].defaults) == set(names)
