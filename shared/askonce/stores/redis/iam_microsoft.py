"""Access tokens of Microsoft Entra. Knows azure-identity; needs the extra `azure`."""

import base64
from collections.abc import Callable
from typing import Any, Final

import orjson
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.identity import ClientSecretCredential, DefaultAzureCredential

from askonce.config.identities import AzureIam
from askonce.core.errors import ConfigError
from askonce.stores.redis.tokens import ANSWER_SECONDS, NoToken, Token

# https://learn.microsoft.com/azure/azure-cache-for-redis/cache-azure-active-directory-for-authentication
_SCOPE: Final = "https://redis.azure.com/.default"
_OPTIONS: Final[dict[str, Any]] = {
    "connection_timeout": ANSWER_SECONDS,
    "read_timeout": ANSWER_SECONDS,
    "retry_total": 0,
    # the authority is the operator's own word: nobody need be asked whether it is one
    "disable_instance_discovery": True,
}


def microsoft_tokens(iam: AzureIam) -> Callable[[], Token]:
    """Tokens of the application that has the secret, or else of whatever identity the machine has.

    Raises ConfigError for ids that cannot be any.
    """
    try:
        _credential(iam).close()
    except ValueError:
        raise ConfigError(
            "cache_params", "azure_client_secret", "azure_client_id and azure_tenant_id beside it"
        ) from None

    def fetch() -> Token:
        try:
            with _credential(iam) as credential:  # anew: a connection would lie open until the next token
                token = credential.get_token(_SCOPE)
        except ClientAuthenticationError:
            raise NoToken("Microsoft gives no token, or there are no credentials for it here") from None
        except AzureError:
            raise NoToken("Microsoft's token service cannot be reached") from None
        return Token(token.token, _object_id(token.token), float(token.expires_on))

    return fetch


def _credential(iam: AzureIam) -> Any:
    if iam.client_secret is None:
        named = {} if iam.client_id is None else {"managed_identity_client_id": iam.client_id}
        return DefaultAzureCredential(**named, **_OPTIONS)
    secret = iam.client_secret.get_secret_value()
    return ClientSecretCredential(iam.tenant_id or "", iam.client_id or "", secret, **_OPTIONS)


def _object_id(token: str) -> str:
    """The name of its user in the cache. Whether the token is signed well is for the server to see."""
    claims = token.split(".")[1]
    return str(orjson.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["oid"])
