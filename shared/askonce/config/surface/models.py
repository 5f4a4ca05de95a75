"""The entries of `model_list`.

Source: LiteLLM's page on the proxy's config.yaml; `litellm/types/utils.py` (all_litellm_params) of LiteLLM 1.109.
"""

from typing import Final

from askonce.config.surface.rows import (
    BALANCING,
    COSTS,
    ELSEWHERE,
    LIMITS,
    NOT_BUILT,
    RETRIES,
    UNREWRITTEN,
    WORD,
    Table,
    listed,
    no,
    works,
)

ENTRY: Final = "model_list[]."
PARAMS: Final = "model_list[].litellm_params."
ANY_OTHER: Final = works(words="any other is a default of every request, and part of the key", **{"*": 0.5})
_ENTRA: Final = "not built yet: tokens of Microsoft Entra ID"

_ENTRIES: Final = Table(
    "`model_list`",
    ENTRY,
    (works(words="stars too; the same name twice is a group ([routing.md](routing.md))", model_name="gpt-*"),),
)

_PRICES: Final = {
    "input_cost_per_token": 1e-6,
    "output_cost_per_token": 2e-6,
    "cache_read_input_token_cost": 1e-7,
    "input_cost_per_query": 0.002,
    "input_cost_per_character": 1e-5,
    "input_cost_per_second": 1e-4,
}
_ABOUT: Final = Table(
    "`model_list`: `model_info`",
    f"{ENTRY}model_info.",
    (
        works(words="in US dollars; below those of `litellm_params`", **_PRICES),
        works(words="whose price counts where the deployment's own name says none", base_model="gpt-4o"),
        works(words="any other is shown by /model/info, as these are", **{"*": "mine"}),
    ),
)

_PLACES: Final = (
    works(words="providers: [configuration.md](configuration.md#models)", model="openai/gpt-4o"),
    works(api_base="http://127.0.0.1:8000/v1", base_url="http://127.0.0.1:8000/v1"),
    works(api_key="sk-1", custom_llm_provider="hosted_vllm", organization="org-1"),
    works(headers={"x-team": "blue"}, extra_headers={"x-team": "blue"}, extra_body={"top_k": 4}),
    works(words="of streams too, from beginning to end", timeout=30, request_timeout=30),
    works(words="for each wait of a stream", stream_timeout=10),
    works(words="only for azure", api_version="2024-10-21", azure_ad_token=WORD),
)

_SHARES: Final = (
    works(words="its share of the group, the first of them that is said", weight=2, rpm=60, tpm=10000),
    works(words="the lowest that is usable is asked", order=1),
    works(words="those under way in one frontend", max_parallel_requests=10),
    works(words="before that of `router_settings`", num_retries=2, max_retries=2),
    works(words="in US dollars, before those of `model_info`", **_PRICES),
    works(words="whose price counts where `model` says none", base_model="gpt-4o"),
)

_NOT: Final = (
    no(
        BALANCING,
        *listed("""
            itpm otpm tags region_name allowed_model_region routing_strategy
            enable_tag_filtering fastest_response auto_router_* *_router_config* *_router_default_model*
        """),
    ),
    no(
        RETRIES,
        *listed("""
            retry_policy retry_strategy cooldown_time fallbacks max_fallbacks fallback_depth
            context_window_fallback_dict
        """),
    ),
    no(
        LIMITS,
        *listed("""
            max_budget budget_duration default_api_key_rpm_limit default_api_key_tpm_limit dynamic_rate_limiting
            max_file_size_mb
        """),
    ),
    no(COSTS, *listed("tiered_pricing *_cost_per_* *_token_cost* search_context_cost_per_query")),
    no(
        _ENTRA,
        *listed("""
            tenant_id client_id client_secret azure_ad_token_provider azure_username azure_password azure_scope azure
        """),
    ),
    no("no model has a cache of its own", *listed("cache cache_key caching caching_groups preset_cache_key ttl")),
    no("each request says it itself", *listed("stream stream_options")),
    no(
        UNREWRITTEN,
        *listed("""
            drop_params additional_drop_params allowed_openai_params assistant_continue_message
            user_continue_message ensure_alternating_roles supports_system_message cache_control_injection_points
            merge_reasoning_content_in_choices use_chat_completions_api
        """),
    ),
    no(
        NOT_BUILT,
        *listed("""
            bos_token client complete_response configurable_clientside_auth_params enable_json_schema_validation
            eos_token extra_query final_prompt_value force_timeout guardrails hf_model_name id logger_fn metadata
            mock_response mock_timeout model_config model_info model_list no-log prompt_id prompt_label prompt_variables
            prompt_version provider_specific_header proxy_server_request roles search_tool_name secret_fields
            shared_session ssl_verify text_completion use_client use_in_pass_through use_litellm_proxy use_xai_oauth
            vector_store_ids verbose litellm_* _*
            langfuse_* langsmith_* arize_* humanloop_* posthog_* wandb_* dd_*
        """),
    ),
    no(ELSEWHERE, *listed("aws_* azure_* gcs_* s3_* sagemaker_* vertex_* watsonx_*")),
)

TABLES: Final = (
    _ENTRIES,
    Table("`model_list`: `litellm_params`", PARAMS, (*_PLACES, *_SHARES, *_NOT, ANY_OTHER)),
    _ABOUT,
)
