"""Names of LiteLLM's settings that have no effect here, so that a misspelt one can be told from one not built yet.

Sources: LiteLLM's pages on the proxy's config.yaml and on caching; `litellm/types/utils.py` (all_litellm_params).
"""

from collections.abc import Mapping
from typing import Final

from askonce.config.values import names

NOT_BUILT: Final = "not built yet"
NOT_KNOWN: Final = "not known"


def _not_built(written: str) -> dict[str, str]:
    return dict.fromkeys(names(written), NOT_BUILT)


SECTIONS: Final[Mapping[str, str]] = _not_built("""
    assistant_settings callback_settings credential_list default_team_settings files_settings finetune_settings
    guardrails include litellm_jwtauth mcp_aliases mcp_servers mcp_tools pass_through_endpoints policies prompts
    search_tools secret_manager_settings vector_store_registry
""") | {"cache_params": "belongs into litellm_settings"}

LITELLM: Final[Mapping[str, str]] = _not_built("""
    allowed_fails always_include_stream_usage api_base audit_log_callbacks cache_responses caching
    content_policy_fallbacks context_window_fallbacks cost_discount_config default_fallbacks
    default_internal_user_params default_redis_batch_cache_expiry default_team_settings
    disable_end_user_cost_tracking disable_streaming_logging drop_params
    enable_caching_on_provider_specific_optional_params enable_json_schema_validation enable_preview_features
    enable_redis_auth_cache failure_callback fallbacks force_ipv4 forward_traceparent_to_llm_api guardrails
    input_callback json_logs key_generation_settings langfuse_default_tags max_budget max_end_user_budget
    max_internal_user_budget model_alias_map model_group_settings modify_params num_retries num_retries_per_request
    post_call_rules pre_call_rules public_routes redact_messages_in_exceptions redact_user_api_key_info
    request_timeout retry_after s3_callback_params service_callback ssl_certificate ssl_verify success_callback
    telemetry turn_off_message_logging upperbound_key_generate_params
""") | {
    "callbacks": "not built yet; /metrics is always served",
    "set_verbose": "use askonce.log_level",
    "default_in_memory_ttl": "only for type local",
    "default_redis_ttl": "only for types redis and redis-semantic",
}

GENERAL: Final[Mapping[str, str]] = _not_built("""
    admin_only_routes alert_to_webhook_url alert_types alerting alerting_args alerting_threshold
    allow_client_side_credentials allow_public_health_readiness_details allow_requests_on_db_unavailable
    allow_user_auth allowed_ips allowed_routes always_include_stream_usage background_health_checks
    cancel_on_disconnect completion_model coordination_redis custom_auth custom_key_generate custom_sso
    database_connection_pool_limit database_connection_timeout database_type database_url
    disable_adding_master_key_hash_to_db disable_master_key_return disable_prisma_schema_update disable_reset_budget
    disable_responses_id_security disable_retry_on_max_parallel_request_limit_error disable_spend_logs
    disable_spend_updates enable_azure_ad_token_refresh enable_health_check_routing enable_jwt_auth
    enable_oauth2_auth enable_oauth2_proxy_auth enforce_user_param enforced_params forward_client_headers_to_llm_api
    forward_openai_org_id global_max_parallel_requests health_check_details health_check_interval
    infer_model_from_keys key_management_settings key_management_system litellm_jwtauth litellm_key_header_name
    max_parallel_requests max_request_size_mb max_response_size_mb maximum_spend_logs_retention_period otel
    pass_through_endpoints proxy_batch_polling_interval proxy_batch_write_at proxy_budget_rescheduler_max_time
    proxy_budget_rescheduler_min_time public_routes reject_clientside_metadata_tags return_wildcard_routes
    service_account_settings store_model_in_db store_prompts_in_spend_logs supported_db_objects ui_access_mode
    use_client_credentials_pass_through_routes use_google_kms use_redis_transaction_buffer use_shared_health_check
    use_x_forwarded_for user_api_key_cache_max_size user_api_key_cache_ttl user_header_mappings user_header_name
""")

ROUTER: Final[Mapping[str, str]] = _not_built("""
    alerting_config allowed_fails allowed_fails_policy cache_kwargs cache_responses caching_groups client_ttl
    content_policy_fallbacks context_window_fallbacks cooldown_time debug_level default_fallbacks
    default_litellm_params default_max_parallel_requests default_priority disable_cooldowns enable_pre_call_checks
    enable_tag_filtering fallbacks ignore_invalid_deployments max_fallbacks model_group_alias
    model_group_retry_policy num_retries optional_pre_call_checks polling_interval provider_budget_config redis_db
    redis_host redis_password redis_port redis_url retry_after retry_policy router_general_settings routing_strategy
    routing_strategy_args set_verbose stream_timeout timeout
""")

# What an entry of model_list may hold beside what its requests are made of: none of it goes to the provider.
DEPLOYMENT: Final = names("""
    additional_drop_params allowed_model_region allowed_openai_params api_version assistant_continue_message azure
    azure_ad_token azure_ad_token_provider azure_password azure_scope azure_username base_model bos_token
    budget_duration cache cache_control_injection_points cache_key caching caching_groups client client_id
    client_secret complete_response configurable_clientside_auth_params context_window_fallback_dict cooldown_time
    default_api_key_rpm_limit default_api_key_tpm_limit drop_params dynamic_rate_limiting
    enable_json_schema_validation enable_tag_filtering ensure_alternating_roles eos_token extra_query fallback_depth
    fallbacks fastest_response final_prompt_value force_timeout guardrails headers hf_model_name id itpm logger_fn
    max_budget max_fallbacks max_file_size_mb max_parallel_requests max_retries merge_reasoning_content_in_choices
    metadata mock_response mock_timeout model_config model_info model_list no-log num_retries order otpm
    preset_cache_key prompt_id prompt_label prompt_variables prompt_version provider_specific_header
    proxy_server_request region_name request_timeout retry_policy retry_strategy roles routing_strategy rpm
    search_context_cost_per_query search_tool_name secret_fields shared_session ssl_verify stream stream_options
    supports_system_message tags tenant_id text_completion tiered_pricing tpm ttl use_chat_completions_api
    use_client use_in_pass_through use_litellm_proxy use_xai_oauth user_continue_message vector_store_ids verbose
    weight
""")
_OTHERS_PREFIXES: Final = (
    *("_", "litellm_", "auto_router_", "langfuse_", "langsmith_", "arize_", "humanloop_", "posthog_", "wandb_", "dd_"),
    *("aws_", "azure_", "gcs_", "s3_", "sagemaker_", "vertex_", "watsonx_"),
)
_OTHERS_PARTS: Final = ("_cost_per_", "_token_cost", "_router_config", "_router_default_model")


def is_knob(name: str) -> bool:
    """Whether a member of `litellm_params` is LiteLLM's own business (routing, prices, transport, callbacks),
    or another provider's credential.
    """
    return name in DEPLOYMENT or name.startswith(_OTHERS_PREFIXES) or any(part in name for part in _OTHERS_PARTS)


# Stores that LiteLLM has and this version has not.
UNBUILT_STORES: Final = ("valkey-semantic", "gcs", "azure-blob")

# LiteLLM's call types. Those that the table of routes does not have are legal, and not built yet.
LITELLM_CALL_TYPES: Final = (
    *("completion", "acompletion", "text_completion", "atext_completion", "embedding", "aembedding"),
    *("transcription", "atranscription", "rerank", "arerank", "responses", "aresponses"),
    *("anthropic_messages", "aanthropic_messages"),
)

# Members of `cache_params` that LiteLLM knows and no store here needs.
CACHE_PARAMS: Final[Mapping[str, str]] = {
    "azure_account_url": NOT_BUILT,
    "azure_blob_container": NOT_BUILT,
    "default_redis_ttl": "use default_in_redis_ttl, or litellm_settings.default_redis_ttl",
    "max_messages": "conversations of any length are kept",
    "qdrant_semantic_cache_vector_size": "the embedder says it",
    "redis_flush_size": "writers always write in batches",
    "semantic_cache_embedding_max_input_tokens": "longer texts are matched exactly only; askonce.semantic_max_chars",
    "semantic_cache_scope": "who shares answers is askonce.cache_scope",
}
_CACHE_PREFIXES: Final = ("gcs_", "valkey_semantic_")


def why_cache_param(name: str) -> str:
    """The reason for a member of `cache_params` that has none of its own."""
    return NOT_BUILT if name.startswith(_CACHE_PREFIXES) else NOT_KNOWN
