"""How an S3 server is reached: boto3's client, its arguments, and who makes it when. Knows no object and no entry."""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore import UNSIGNED
from botocore import exceptions as errors
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from pydantic import SecretStr

from askonce.config.settings import S3Settings
from askonce.core.errors import ConfigError

# A call costs a millisecond of Python. Sixteen at once, of 20 ms each, are nearly all that one process can do, and with
# more of them ready at the same time the event loop waits for its turn with the interpreter: see the decision 0042.
_CONNECTIONS: Final = 16

_AMAZON: Final = "s3.amazonaws.com"
_NUMBERS: Final = ("connect_timeout", "read_timeout", "max_pool_connections")

# First match counts.
_SETTINGS: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (errors.InvalidRegionError, "s3_region_name", "the name of a region"),
    (errors.DataNotFoundError, "s3_api_version", "a version that boto3 knows: 2006-03-01"),
    (errors.ApiVersionNotFoundError, "s3_api_version", "a version that boto3 knows: 2006-03-01"),
    (errors.ProfileNotFound, "AWS_PROFILE", "a profile that is there"),
    (errors.BotoCoreError, "s3", "settings, and files and variables of AWS's own, that boto3 takes"),
    (ValueError, "s3_endpoint_url", "http:// or https:// and a host"),
    (OSError, "s3_verify", "true, false, or a file of certificates that can be read"),
)


class S3Client:
    """One client for all threads. `seconds` bound connecting and each wait for bytes, `attempts` how often a call is
    tried; the settings' `config` wins over both.

    Raises ConfigError, naming the setting. That connects to nothing: `ready` does, when it looks for credentials
    where boto3 does, which may be the metadata service of a cloud's machine.
    """

    def __init__(self, settings: S3Settings, seconds: float, attempts: int) -> None:
        self._settings = settings
        self._config = _config(settings.config, seconds, attempts)
        self._client: Any = None
        self._bare = False
        self._turn = threading.Lock()
        with _named():
            if isinstance(settings.verify, str):
                ssl.create_default_context(cafile=settings.verify)
            self._session = boto3.Session()
            # finds what boto3 does not take, and asks nobody for credentials
            self._made(self._config.merge(Config(signature_version=UNSIGNED))).close()

    @property
    def connections(self) -> int:
        """How many calls at once are worth while."""
        return int(self._config.max_pool_connections)

    def ready(self, *, look_again: bool = False) -> Any:
        """boto3's client, made at its first use, and with `look_again` also after one without credentials. Blocks."""
        with self._turn:
            if self._client is None or (self._bare and look_again):
                self._client = self._made(self._config)
                self._bare = False
            return self._client

    def bare(self) -> None:
        """Notes that no credentials were found."""
        self._bare = True

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _made(self, config: Config) -> Any:
        settings = self._settings
        endpoint = _endpoint(settings.endpoint_url)
        client = self._session.client(
            "s3",
            region_name=settings.region,
            api_version=settings.api_version,
            use_ssl=settings.use_ssl,
            verify=settings.verify,
            endpoint_url=endpoint,
            aws_access_key_id=_revealed(settings.access_key_id),
            aws_secret_access_key=_revealed(settings.secret_access_key),
            aws_session_token=_revealed(settings.session_token),
            config=config,
        )
        if endpoint is not None:
            client.meta.events.register("before-call.s3.HeadBucket", _unasked)
        return client


def _unasked(**_: object) -> tuple[AWSResponse, dict[str, Any]]:
    """boto3 takes a redirection, or a 400 to a HEAD, for the word of another region of AWS's, asks for the bucket's
    region, and asks again when that is answered alike, for ever. Elsewhere there are no regions: it is told so.
    """
    nothing = {"Error": {"Code": "404"}, "ResponseMetadata": {"HTTPStatusCode": 404, "HTTPHeaders": {}}}
    return AWSResponse("", 404, {}, None), nothing


def _config(own: Mapping[str, Any], seconds: float, attempts: int) -> Config:
    options = {
        "connect_timeout": seconds,
        "read_timeout": seconds,
        "max_pool_connections": _CONNECTIONS,
        "retries": {"mode": "standard", "total_max_attempts": attempts},
        # boto3's default, a CRC of its own, is what Backblaze and older MinIO refuse. An entry's frame shows by itself
        # when it was cut.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        **own,
    }
    try:
        config = Config(**options)
    except (TypeError, ValueError, AttributeError, errors.BotoCoreError) as error:
        words = f"arguments that botocore's Config takes ({type(error).__name__})"
        raise ConfigError("cache_params", "s3_config", words) from None
    if not all(_positive(getattr(config, name)) for name in _NUMBERS):
        raise ConfigError("cache_params", "s3_config", f"numbers above 0 for {', '.join(_NUMBERS)}")
    return config


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _endpoint(url: str | None) -> str | None:
    """None for the global endpoint of AWS, which LiteLLM's page gives beside a region: by a custom endpoint boto3 asks
    with the bucket in the path, and this one answers that only for buckets of one region.
    """
    return None if url is None or urlsplit(url).netloc == _AMAZON else url


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except (errors.BotoCoreError, ValueError, OSError) as error:
        for kind, key, expected in _SETTINGS:
            if isinstance(error, kind):
                raise ConfigError("cache_params", key, expected) from None
        raise
