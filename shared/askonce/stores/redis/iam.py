"""Passwords of Redis that a cloud's identity service gives out: which module asks for them, by the settings."""

import sys

from redis.credentials import CredentialProvider

from askonce.config.identities import AwsIam, AzureIam, GcpIam
from askonce.core.errors import ConfigError
from askonce.stores.redis.tokens import NoToken, Renewed

__all__ = ["NoToken", "provider"]


def provider(iam: GcpIam | AwsIam | AzureIam) -> CredentialProvider:
    """What redis-py asks for user name and password each time it connects; it raises NoToken where there is none.

    Connects to nothing yet. Raises ConfigError where the library for it is missing or the settings do not suffice.
    """
    # imported where they are wanted: two are extras, and all of them are large
    match iam:
        case GcpIam():
            try:
                from askonce.stores.redis.iam_google import google_tokens  # noqa: PLC0415
            except ImportError:
                raise _missing("gcp_service_account", "gcp") from None
            return Renewed(google_tokens(iam))
        case AwsIam():
            from askonce.stores.redis.iam_amazon import amazon_tokens  # noqa: PLC0415

            return Renewed(amazon_tokens(iam))
        case AzureIam():
            try:
                from askonce.stores.redis.iam_microsoft import microsoft_tokens  # noqa: PLC0415
            except ImportError:
                raise _missing("azure_redis_ad_token", "azure") from None
            return Renewed(microsoft_tokens(iam))


def _missing(key: str, extra: str) -> ConfigError:
    return ConfigError("cache_params", key, f"needs the extra: {sys.executable} -m pip install 'askonce[{extra}]'")
