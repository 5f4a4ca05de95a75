"""Fields of LiteLLM's keys and teams that promise what is not held here. Knows names only.

Source: `types/proxy/management_endpoints`, `models/team.py` and `proxy/_types.py` of LiteLLM 1.109.
"""

from difflib import get_close_matches
from typing import Final

from askonce.config.surface.rows import listed

_PAGE: Final = "docs/keys.md"

# What LiteLLM keeps in a key's or a team's metadata, and acts on wherever it finds it there. Its `tags` only label.
IN_METADATA: Final = frozenset(
    listed("""
    allow_team_guardrail_config allowed_passthrough_routes allowed_vector_store_indexes callback_settings
    default_estimated_output_tokens default_estimated_output_tokens_per_model denied_passthrough_routes
    disable_fallbacks disable_global_guardrails enable_prompt_caching end_user_budget_id
    enforced_batch_output_expires_after enforced_file_expires_after enforced_params guardrails logging mcp_rpm_limit
    model_config model_itpm_limit model_otpm_limit opted_out_global_guardrails policies prompts require_trace_id
    rpm_limit_type secret_manager_settings soft_budget_alerting_emails tag_rpm_limit team_member_budget_id
    team_member_key_duration temp_budget_expiry temp_budget_increase throttle_on_budget_exceeded tpm_limit_type
    """)
)
_FIELDS: Final = IN_METADATA | frozenset(
    listed("""
    access_group_ids admins agent_id aliases allowed_models allowed_routes auto_rotate budget_duration budget_fallbacks
    budget_id budget_limits config default_team_member_models grace_period key_type members members_with_roles
    model_aliases model_max_budget new_master_key object_permission organization_id permissions project_id
    rotation_interval router_settings send_invite_email team_member_budget team_member_budget_duration
    team_member_model_max_budget team_member_permissions team_member_rpm_limit team_member_tpm_limit tpd_limit
    """)
)


def why(name: str, known: set[str]) -> str:
    """What is to be done about a field; `known` are those that there are."""
    if name in _FIELDS:
        return f"{name} is not supported: leave it out ({_PAGE})."
    close = get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return f"{name} is not known. Did you mean {close[0]}?" if close else f"{name} is not known ({_PAGE})."
