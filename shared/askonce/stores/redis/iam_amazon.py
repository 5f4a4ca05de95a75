"""Signed requests that are passwords of Amazon ElastiCache. Knows botocore."""

import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

import botocore.session
from botocore.exceptions import BotoCoreError
from botocore.model import ServiceId
from botocore.signers import RequestSigner

from askonce.config.identities import AwsIam
from askonce.stores.redis.tokens import NoToken, Token

_SERVICE: Final = "elasticache"
_SECONDS: Final = 900  # the longest that the service accepts one


def amazon_tokens(iam: AwsIam) -> Callable[[], Token]:
    """Signed with the credentials that boto3 would find, and sent to nobody but the cache, as in
    https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html.
    """
    session = botocore.session.get_session()
    query = {"Action": "connect", "User": iam.user}
    if iam.serverless:
        query["ResourceType"] = "ServerlessCache"
    # the service knows caches in small letters only
    request: dict[str, Any] = {
        "method": "GET",
        "url": f"https://{iam.cache.lower()}/?{urlencode(query)}",
        "body": {},
        "headers": {},
        "context": {},
    }

    def fetch() -> Token:
        ends = time.time() + _SECONDS
        try:
            credentials = session.get_credentials()
            if credentials is None:
                raise NoToken("no credentials for Amazon in this environment")
            events = session.get_component("event_emitter")
            signer = RequestSigner(ServiceId(_SERVICE), iam.region, _SERVICE, "v4", credentials, events)
            url = signer.generate_presigned_url(request, "connect", expires_in=_SECONDS)
        except BotoCoreError:
            raise NoToken("the credentials for Amazon cannot be had") from None
        return Token(url.removeprefix("https://"), iam.user, ends)

    return fetch
