"""Access tokens of a Google service account. Knows google-auth; needs the extra `gcp`."""

from collections.abc import Callable
from datetime import UTC
from functools import partial
from typing import Any, Final

import google.auth
from google.auth import exceptions, impersonated_credentials
from google.auth.transport.requests import Request

from askonce.config.identities import GcpIam
from askonce.stores.redis.tokens import ANSWER_SECONDS, NoToken, Token

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"


def google_tokens(iam: GcpIam) -> Callable[[], Token]:
    """Tokens of the account for whoever the environment says that this process is, as in
    https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken.
    """
    account = iam.service_account.rpartition("/")[2]
    path = f"v1/projects/-/serviceAccounts/{account}:generateAccessToken"
    impersonate: Any = impersonated_credentials.Credentials

    def fetch() -> Token:
        try:
            source, _project = google.auth.default(scopes=[_SCOPE])
            credentials = impersonate(
                source,
                target_principal=account,
                target_scopes=[_SCOPE],
                iam_endpoint_override=None if iam.endpoint is None else f"{iam.endpoint}/{path}",
            )
            credentials.refresh(partial(Request(), timeout=ANSWER_SECONDS))
        except exceptions.DefaultCredentialsError:
            raise NoToken("no usable credentials for Google in this environment") from None
        except exceptions.TransportError:
            raise NoToken("Google's token service cannot be reached") from None
        except exceptions.GoogleAuthError:
            raise NoToken("Google gives no token for the service account") from None
        # google-auth's times are UTC and do not say so
        return Token(credentials.token, None, credentials.expiry.replace(tzinfo=UTC).timestamp())

    return fetch
