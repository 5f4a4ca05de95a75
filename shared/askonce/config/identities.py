"""Identities at clouds whose tokens are the password of a Redis."""

from pydantic import SecretStr

from askonce.config.policies import Frozen


class GcpIam(Frozen):
    """A Google service account whose access tokens are the password. `endpoint` is for tests."""

    service_account: str
    endpoint: str | None = None


class AwsIam(Frozen):
    """A user of Amazon ElastiCache whose signed requests are the password."""

    user: str
    cache: str
    region: str
    serverless: bool = False


class AzureIam(Frozen):
    """An identity of Microsoft Entra whose access tokens are the password; without a secret, the machine's own."""

    client_id: str | None = None
    tenant_id: str | None = None
    client_secret: SecretStr | None = None
