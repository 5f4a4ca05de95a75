"""The sections of the file, but for `model_list` and `cache_params`.

Source: LiteLLM's page on the proxy's config.yaml, and that on caching.
"""

from typing import Final

from askonce.config.surface.rows import (
    BALANCING,
    COSTS,
    LIMITS,
    LOG_LEVEL,
    NOT_BUILT,
    PEOPLE,
    UNLOGGED,
    UNREWRITTEN,
    WORD,
    Table,
    better,
    listed,
    no,
    works,
)

_USE_CACHE: Final = "use litellm_settings.cache"
_USAGE: Final = "a stream that may be kept is asked for its usage anyway"
_RULES: Final = [{"gpt-4o": ["gpt-4o"]}]
_BELOW: Final = "router_settings counts before it"
_EACH_KIND: Final = "{} counts for every kind of error"
_NO_DATABASE: Final = "keys are kept in the queue's server, and need no database"
_HEALTH: Final = "/health costs nothing, and is asked when somebody asks"

FILE: Final = Table(
    "Sections",
    "",
    (
        works(environment_variables={"AWS_REGION": "us-west-2"}),
        no("belongs into litellm_settings", "cache_params"),
        no(PEOPLE, *listed("default_team_settings litellm_jwtauth")),
        no(
            NOT_BUILT,
            *listed("""
                assistant_settings callback_settings credential_list files_settings finetune_settings guardrails include
                mcp_aliases mcp_servers mcp_tools pass_through_endpoints policies prompts search_tools
                secret_manager_settings vector_store_registry
            """),
        ),
    ),
)

LITELLM: Final = Table(
    "`litellm_settings`",
    "litellm_settings.",
    (
        works(words="where it does not stand, the disk store is on", cache=False),
        works(words="router_settings.timeout counts before it", request_timeout=30),
        works(model_alias_map={"gpt-4": "gpt-4o"}),
        works(words="only for type local", default_in_memory_ttl=60),
        works(words="only for types redis and redis-semantic", default_redis_ttl=60),
        no("always so: every parameter is part of the key", "enable_caching_on_provider_specific_optional_params"),
        no(_USE_CACHE, *listed("cache_responses caching")),
        no(LOG_LEVEL, "set_verbose"),
        no("not built yet; /metrics is always served", "callbacks"),
        no(
            UNLOGGED,
            *listed("""
                disable_streaming_logging redact_messages_in_exceptions redact_user_api_key_info
                turn_off_message_logging
            """),
        ),
        no("log lines are JSON", "json_logs"),
        no("nothing is told to anybody", "telemetry"),
        no(UNREWRITTEN, *listed("drop_params modify_params")),
        no(_USAGE, "always_include_stream_usage"),
        works(words=_BELOW, num_retries=2, retry_after=5, allowed_fails=1, cooldown_time=30),
        works(
            words=_BELOW,
            fallbacks=_RULES,
            default_fallbacks=["gpt-4o"],
            context_window_fallbacks=_RULES,
            content_policy_fallbacks=_RULES,
        ),
        no("num_retries counts", "num_retries_per_request"),
        no("revoked keys are refused everywhere at once, without Redis", "enable_redis_auth_cache"),
        no(
            PEOPLE,
            *listed("""
                default_internal_user_params default_team_settings key_generation_settings public_routes
                upperbound_key_generate_params
            """),
        ),
        no(LIMITS, *listed("max_budget max_end_user_budget max_internal_user_budget default_redis_batch_cache_expiry")),
        no(COSTS, *listed("cost_discount_config disable_end_user_cost_tracking")),
        no(
            NOT_BUILT,
            *listed("""
                api_base audit_log_callbacks enable_json_schema_validation enable_preview_features failure_callback
                force_ipv4 forward_traceparent_to_llm_api guardrails input_callback langfuse_default_tags
                model_group_settings post_call_rules pre_call_rules s3_callback_params service_callback ssl_certificate
                ssl_verify success_callback
            """),
        ),
    ),
)

GENERAL: Final = Table(
    "`general_settings`",
    "general_settings.",
    (
        better("one that stands in documentation, such as sk-1234, is good on this machine only", master_key="sk-1234"),
        works(words="60 s where nobody says", user_api_key_cache_ttl=30),
        works(words="over all keys and models", global_max_parallel_requests=100),
        better(
            "limits are counted there, exactly, for all frontends; it takes what `cache_params` of `redis` take",
            coordination_redis={"host": "h"},
        ),
        no("use askonce.max_body_bytes", "max_request_size_mb"),
        no("an answer is kept, whoever has left", "cancel_on_disconnect"),
        no(_USAGE, "always_include_stream_usage"),
        no(
            _HEALTH,
            *listed("""
                background_health_checks health_check_details health_check_interval use_shared_health_check
                allow_public_health_readiness_details
            """),
        ),
        no(
            _NO_DATABASE,
            *listed("""
                database_connection_pool_limit database_connection_timeout database_type database_url
                disable_adding_master_key_hash_to_db disable_prisma_schema_update supported_db_objects
            """),
        ),
        no("askonce.key_grace says for how long", "allow_requests_on_db_unavailable"),
        no("the file says it", "store_model_in_db"),
        no("100,000 keys are remembered", "user_api_key_cache_max_size"),
        no(
            PEOPLE,
            *listed("""
                admin_only_routes allow_user_auth allowed_routes custom_auth custom_key_generate custom_sso
                disable_master_key_return enable_jwt_auth enable_oauth2_auth enable_oauth2_proxy_auth
                key_management_settings key_management_system litellm_jwtauth litellm_key_header_name public_routes
                service_account_settings ui_access_mode user_header_mappings user_header_name
            """),
        ),
        no(
            LIMITS,
            *listed("""
                disable_reset_budget disable_retry_on_max_parallel_request_limit_error enforce_user_param
                enforced_params max_parallel_requests proxy_budget_rescheduler_max_time
                proxy_budget_rescheduler_min_time use_redis_transaction_buffer
            """),
        ),
        no(
            COSTS,
            *listed("""
                disable_spend_logs disable_spend_updates maximum_spend_logs_retention_period proxy_batch_write_at
                store_prompts_in_spend_logs
            """),
        ),
        no(
            NOT_BUILT,
            *listed("""
                alert_to_webhook_url alert_types alerting alerting_args alerting_threshold allow_client_side_credentials
                allowed_ips completion_model disable_responses_id_security enable_azure_ad_token_refresh
                enable_health_check_routing forward_client_headers_to_llm_api forward_openai_org_id
                infer_model_from_keys max_response_size_mb otel pass_through_endpoints proxy_batch_polling_interval
                reject_clientside_metadata_tags return_wildcard_routes use_client_credentials_pass_through_routes
                use_google_kms use_x_forwarded_for
            """),
        ),
    ),
)

ROUTER: Final = Table(
    "`router_settings`",
    "router_settings.",
    (
        works(model_group_alias={"gpt-4": "gpt-4o"}),
        works(words="of streams too, from beginning to end", timeout=30),
        works(words="for each wait of a stream", stream_timeout=10),
        no(_USE_CACHE, "cache_responses"),
        no(LOG_LEVEL, *listed("debug_level set_verbose")),
        works(words="how a member of a group is chosen", routing_strategy="least-busy"),
        works(
            "routing_strategy: usage-based-routing", words="as usage-based-routing-v2: each frontend counts for itself"
        ),
        works(words="0 where nobody says, not 2", num_retries=2),
        works(retry_after=5, allowed_fails=1, cooldown_time=30, disable_cooldowns=True),
        works(
            words="a name that model_list does not answer to stops the start",
            fallbacks=_RULES,
            default_fallbacks=["gpt-4o"],
            context_window_fallbacks=_RULES,
            content_policy_fallbacks=_RULES,
        ),
        works(max_fallbacks=2),
        works(words="its models share their answers", caching_groups=[["gpt-4o", "gpt-4o"]]),
        better(
            "limits are counted there, exactly, for all frontends",
            redis_host="h",
            redis_url="redis://h:6380/1",
            cache_kwargs={"host": "h"},
        ),
        works(words="beside redis_host", redis_port=6380, redis_password=WORD, redis_db=2),
        no(_EACH_KIND.format("num_retries"), *listed("retry_policy model_group_retry_policy")),
        no(_EACH_KIND.format("allowed_fails"), "allowed_fails_policy"),
        no(
            BALANCING,
            *listed("""
                client_ttl default_litellm_params default_max_parallel_requests default_priority enable_pre_call_checks
                enable_tag_filtering ignore_invalid_deployments optional_pre_call_checks polling_interval
                router_general_settings
            """),
        ),
        no(LIMITS, "provider_budget_config"),
        no(NOT_BUILT, "alerting_config"),
    ),
)

ARGUMENTS: Final = Table(
    "`router_settings.routing_strategy_args`",
    "router_settings.routing_strategy_args.",
    (
        works(words="only for latency-based-routing", ttl=60, lowest_latency_buffer=0.5, rolling_window_size=5),
        no("rolling_window_size says it", "max_latency_list_size"),
        no("means are compared", "ttft_percentile"),
    ),
)
