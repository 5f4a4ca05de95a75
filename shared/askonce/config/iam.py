"""Whether a cloud's identity service gives the password for Redis, and to whom: `cache_params` over variables. Knows
LiteLLM's names, and no cloud.

Source: LiteLLM's page on caching, and for Amazon and Microsoft `_redis.py` of LiteLLM 1.109.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

from askonce.config.identities import AwsIam, AzureIam, GcpIam
from askonce.config.notes import Notes
from askonce.config.said import Said, Setting
from askonce.config.values import flag, line


def _named(name: str, *variables: str) -> Setting:
    return Setting(line, (name,), (f"REDIS_{name.upper()}", *variables))


def _switch(name: str, *variables: str) -> Setting:
    return Setting(flag, (name,), (f"REDIS_{name.upper()}", *variables))


SETTINGS: Final[Mapping[str, Setting]] = {
    "gcp_service_account": _named("gcp_service_account"),
    "azure_redis_ad_token": _switch("azure_redis_ad_token", "REDIS_AZURE_AD_TOKEN"),
    "azure_client_id": _named("azure_client_id", "AZURE_CLIENT_ID"),
    "azure_tenant_id": _named("azure_tenant_id", "AZURE_TENANT_ID"),
    "azure_client_secret": _named("azure_client_secret", "AZURE_CLIENT_SECRET"),
    "aws_iam_auth": _switch("aws_iam_auth"),
    "aws_iam_user_name": _named("aws_iam_user_name"),
    "aws_iam_cache_name": _named("aws_iam_cache_name"),
    "aws_iam_region": _named("aws_iam_region", "AWS_REGION", "AWS_DEFAULT_REGION"),
    "aws_iam_serverless": _switch("aws_iam_serverless"),
}
# What turns each on, first ones first: where several do, LiteLLM takes this order too.
_SWITCHES: Final = ("gcp_service_account", "azure_redis_ad_token", "aws_iam_auth")
_NEEDED: Final = ("aws_iam_user_name", "aws_iam_cache_name", "aws_iam_region")

_TLS: Final = "AWS ElastiCache IAM Redis authentication requires TLS"
_REQUIRES: Final = "AWS ElastiCache IAM Redis authentication requires"
_WHOLE: Final = "must stand with azure_client_id and azure_tenant_id"


def read_iam(
    said: Mapping[str, Said], notes: Notes, *, tls: bool
) -> tuple[Said | None, GcpIam | AzureIam | AwsIam | None]:
    """Who gives the password, and the setting that says so. `tls`: whether the connection is encrypted."""
    on = [name for name in _SWITCHES if name in said and said[name].value]
    _note_unused(said, on[0] if on else None, notes)
    if not on:
        return None, None
    chosen = said[on[0]]
    match on[0]:
        case "gcp_service_account":
            return chosen, GcpIam(service_account=chosen.value)
        case "azure_redis_ad_token":
            return chosen, _azure(said, notes)
        case _:
            return chosen, _aws(said, chosen, notes, tls=tls)


def _azure(said: Mapping[str, Said], notes: Notes) -> AzureIam:
    """LiteLLM's rule: with id, tenant and secret an application, otherwise an identity of the machine."""
    client_id, tenant, secret = (_value(said, f"azure_{name}") for name in ("client_id", "tenant_id", "client_secret"))
    if secret is not None and (client_id is None or tenant is None):
        said["azure_client_secret"].wrong(_WHOLE, notes)
    return AzureIam(client_id=client_id, tenant_id=tenant, client_secret=None if secret is None else SecretStr(secret))


def _aws(said: Mapping[str, Said], switch: Said, notes: Notes, *, tls: bool) -> AwsIam | None:
    missing = [name for name in _NEEDED if name not in said]
    if missing:
        switch.wrong(f"{_REQUIRES}: {', '.join(missing)}", notes)
    if not tls:
        switch.wrong(_TLS, notes)
    if missing:
        return None
    serverless = said.get("aws_iam_serverless")
    return AwsIam(
        user=said["aws_iam_user_name"].value,
        cache=said["aws_iam_cache_name"].value,
        region=said["aws_iam_region"].value,
        serverless=serverless is not None and serverless.value,
    )


def _note_unused(said: Mapping[str, Said], chosen: str | None, notes: Notes) -> None:
    """Variables of a cloud are set for many reasons; what the file says is meant."""
    clouds = {name: name.partition("_")[0] for name in SETTINGS}
    for name, one in said.items():
        if not one.in_file or name not in clouds or name == chosen:
            continue
        if chosen is None and name not in _SWITCHES:
            switch = next(other for other in _SWITCHES if clouds[other] == clouds[name])
            notes.ignore(one.where, f"has no effect without {switch}")
        elif chosen is not None and clouds[name] != clouds[chosen]:
            notes.ignore(one.where, f"has no effect beside {said[chosen].where}")


def _value(said: Mapping[str, Said], name: str) -> str | None:
    return said[name].value if name in said else None
