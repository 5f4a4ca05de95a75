"""What an S3 server's refusals and boto3's complaints mean here. Knows their codes and no entry.

Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList. Never a message: it may hold
the bucket, the key, or what was signed.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore import exceptions as errors
from botocore.parsers import ResponseParserError

from askonce.core.errors import StoreError, StoreRefused, StoreUnavailable

_ELSEWHERE = "the bucket is in another region, or the server elsewhere: see s3_region_name and s3_endpoint_url"
_CREDENTIALS = "it does not accept the access key, the secret or the session token"
_EXPIRED = "the session token has expired"
_DENIED = "the credentials may not do this: s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject are needed"
_BUSY = "it is asked too often"
_BROKEN = "what was sent did not arrive whole"

_CODES: Final[dict[str, str]] = {
    "NoSuchBucket": "the bucket does not exist: see s3_bucket_name",
    "InvalidBucketName": "this is not the name of a bucket: see s3_bucket_name",
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidSecurity"), _CREDENTIALS),
    **dict.fromkeys(("ExpiredToken", "TokenRefreshRequired"), _EXPIRED),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "AccountProblem", "NotSignedUp"), _DENIED),
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    **dict.fromkeys(("PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"), _ELSEWHERE),
    **dict.fromkeys(("IllegalLocationConstraintException", "AuthorizationQueryParametersError"), _ELSEWHERE),
    **dict.fromkeys(("SlowDown", "TooManyRequests", "RequestLimitExceeded", "Throttling"), _BUSY),
    **dict.fromkeys(("RequestTimeout", "IncompleteBody", "BadDigest", "InvalidDigest"), _BROKEN),
}
_STATUSES: Final[dict[int, str]] = {301: _ELSEWHERE, 307: _ELSEWHERE, 403: _DENIED, 429: _BUSY, 503: _BUSY}

# About one object, whoever asks and whenever. Whatever else is said with another status is about the store, or may be.
_OF_THE_OBJECT = frozenset({400, 413, 414})
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9]{1,63}", re.ASCII)

# First match counts.
_COMPLAINTS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (errors.NoCredentialsError, "no credentials were found: see s3_aws_access_key_id"),
    (errors.PartialCredentialsError, "only a part of the credentials was found"),
    (errors.CredentialRetrievalError, "the credentials could not be fetched"),
    (errors.MetadataRetrievalError, "the credentials could not be fetched"),
    (errors.TokenRetrievalError, "the credentials could not be fetched"),
    (errors.ProfileNotFound, "the profile that AWS_PROFILE names is not there"),
    (errors.ParamValidationError, "this is not the name of a bucket: see s3_bucket_name"),
    (errors.SSLError, "its certificate is not accepted, or it does not speak TLS: see s3_verify"),
    (errors.ReadTimeoutError, "no answer in time"),
    (errors.ConnectTimeoutError, "cannot be reached"),
    (errors.ConnectionError, "cannot be reached"),
    (errors.IncompleteReadError, "an answer was cut off"),
    (errors.ResponseStreamingError, "an answer was cut off"),
    (errors.HTTPClientError, "the connection broke"),
    (ResponseParserError, "its answer is not one of S3's"),
    (OSError, "cannot be reached"),
)


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except (errors.BotoCoreError, errors.ClientError, ResponseParserError, OSError) as error:
        raise ours(error) from None


def ours(error: Exception) -> StoreError:
    if isinstance(error, errors.ClientError):
        return _refusal(code_of(error), status_of(error))
    for kind, words in _COMPLAINTS:
        if isinstance(error, kind):
            return StoreUnavailable(f"s3: {words}")
    return StoreUnavailable(f"s3: {type(error).__name__}")


def _refusal(code: str, status: int) -> StoreError:
    words = _CODES.get(code) or _STATUSES.get(status)
    if words is not None:
        return StoreUnavailable(f"s3: {words}")
    # a status without a code of S3's is no word of an S3 server, but of what stands where one should be
    coded = _CODE.fullmatch(code) is not None
    named = f"{status} {code}" if coded else str(status)
    if coded and status in _OF_THE_OBJECT:
        return StoreRefused(f"s3: it does not take this object ({named})")
    return StoreUnavailable(f"s3: it failed ({named})")


def code_of(error: errors.ClientError) -> str:
    """The server's code, such as NoSuchKey; the status in digits where the answer had no body to name one."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: errors.ClientError) -> int:
    """The HTTP status."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
