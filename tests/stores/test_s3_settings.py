"""What settings of the s3 store come to without a server: names of objects, addresses, and what no client takes."""

from typing import Any

import pytest
from pydantic import SecretStr

from askonce.config.settings import S3Settings
from askonce.core.errors import ConfigError
from askonce.core.key import CacheKey
from askonce.stores.s3.client import S3Client
from askonce.stores.s3.objects import S3Reader, object_name
from tests.s3_server import BUCKET
from tests.stores.contract import Clock

DIGEST = "0" * 63 + "f"


@pytest.mark.parametrize(
    ("path", "namespace", "name"),
    [
        ("", "", DIGEST),
        ("", "team", f"team/{DIGEST}"),
        ("", "team:abc", f"team/abc/{DIGEST}"),
        ("llm/cache", "team:abc", f"llm/cache/team/abc/{DIGEST}"),
        ("llm", "v1.2_x-y", f"llm/v1.2_x-y/{DIGEST}"),
        ("llm", "..:other", f"llm/~../other/{DIGEST}"),
        ("", ".", f"~./{DIGEST}"),
        ("", "a::b:", f"a/~/b/~/{DIGEST}"),
    ],
)
def test_a_namespace_is_a_folder(path: str, namespace: str, name: str) -> None:
    assert object_name(path, CacheKey(namespace, DIGEST)) == name


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"endpoint_url": "the-right-word"}, "s3_endpoint_url"),
        ({"endpoint_url": "http://[the-right-word"}, "s3_endpoint_url"),
        ({"region": "the right-word"}, "s3_region_name"),
        ({"api_version": "the-right-word"}, "s3_api_version"),
        ({"verify": "/the-right-word"}, "s3_verify"),
        ({"config": {"the-right-word": 1}}, "s3_config"),
        ({"config": {"retries": {"the-right-word": 1}}}, "s3_config"),
        ({"config": {"s3": {"addressing_style": "the-right-word"}}}, "s3_config"),
        ({"config": {"read_timeout": None}}, "s3_config"),
        ({"config": {"max_pool_connections": 0}}, "s3_config"),
        ({"config": {"connect_timeout": "the-right-word"}}, "s3_config"),
    ],
)
def test_settings_that_no_client_takes_are_told_at_once(wrong: dict[str, Any], named: str, clock: Clock) -> None:
    settings = S3Settings(**{"bucket": BUCKET, "region": "us-east-1", **wrong})
    with pytest.raises(ConfigError) as raised:
        S3Reader(settings, clock)
    assert raised.value.key == named
    assert "right-word" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({"endpoint_url": "https://s3.amazonaws.com"}, "https://cache.s3.us-west-2.amazonaws.com/k"),
        ({}, "https://cache.s3.us-west-2.amazonaws.com/k"),
        ({"use_ssl": False}, "http://cache.s3.us-west-2.amazonaws.com/k"),
        ({"endpoint_url": "http://localhost:9000"}, "http://localhost:9000/cache/k"),
        ({"endpoint_url": "https://minio.example.com"}, "https://minio.example.com/cache/k"),
        ({"bucket": "with.dots"}, "https://s3.us-west-2.amazonaws.com/with.dots/k"),
        (
            {"endpoint_url": "https://s3.example.com", "config": {"s3": {"addressing_style": "virtual"}}},
            "https://cache.s3.example.com/k",
        ),
    ],
)
def test_the_bucket_is_in_the_path_except_at_amazon(given: dict[str, Any], address: str) -> None:
    keys = {"access_key_id": SecretStr("the-key"), "secret_access_key": SecretStr("the-right-word")}
    settings = S3Settings(**{"bucket": "cache", "region": "us-west-2", **keys, **given})
    boto = S3Client(settings, 1.0, 1).ready()

    def seen(request: Any, **_: Any) -> None:
        raise AssertionError(request.url)

    boto.meta.events.register("before-send.s3.HeadObject", seen)
    with pytest.raises(AssertionError) as raised:
        boto.head_object(Bucket=settings.bucket, Key="k")
    assert str(raised.value) == address
