"""`cache_params` of type s3."""

import pytest
from pydantic import SecretStr

from askonce.config.settings import S3Settings
from askonce.core.errors import ConfigError

PARAMS = "litellm_settings.cache_params"


def cache(params: str) -> str:
    return f"litellm_settings: {{cache: true, cache_params: {{type: s3, {params}}}}}"


def test_a_bucket_is_enough(read):
    settings = read(cache("s3_bucket_name: b"))
    assert settings.cache.s3 == S3Settings(bucket="b")
    assert (settings.cache.type, settings.cache.ttl, settings.ignored) == ("s3", None, ())


def test_all_of_it(read, tmp_path):
    params = """
        s3_bucket_name: b, s3_path: /a/b/, s3_region_name: r, s3_api_version: 2006-03-01, s3_use_ssl: 'False',
        s3_verify: ca.pem, s3_endpoint_url: 'http://127.0.0.1:8333/', s3_aws_access_key_id: k,
        s3_aws_secret_access_key: os.environ/SECRET, s3_aws_session_token: t,
        s3_config: {retries: {max_attempts: 2}, s3: {addressing_style: path}}
    """
    assert read(cache(params), SECRET="s").cache.s3 == S3Settings(
        bucket="b",
        path="a/b",
        region="r",
        api_version="2006-03-01",
        use_ssl=False,
        verify=f"{tmp_path}/ca.pem",
        endpoint_url="http://127.0.0.1:8333",
        access_key_id=SecretStr("k"),
        secret_access_key=SecretStr("s"),
        session_token=SecretStr("t"),
        config={"retries": {"max_attempts": 2}, "s3": {"addressing_style": "path"}},
    )


@pytest.mark.parametrize(
    ("written", "verify"),
    [("true", True), ("false", False), ("'False'", False), ("null", None), ("/etc/ca.pem", "/etc/ca.pem")],
)
def test_verify(read, written, verify):
    assert read(cache(f"s3_bucket_name: b, s3_verify: {written}")).cache.s3.verify == verify


KEYS = "s3_aws_access_key_id: {}, s3_aws_secret_access_key: {}, s3_aws_session_token: {}"


@pytest.mark.parametrize("written", ["''", "null", "os.environ/NONE"])
def test_keys_that_are_empty_or_not_set_are_left_to_boto3(read, written):
    s3 = read(cache(f"s3_bucket_name: b, {KEYS.format(written, written, written)}")).cache.s3
    assert s3 == S3Settings(bucket="b")


def test_keys_that_are_not_set_are_told(read):
    settings = read(
        cache("s3_bucket_name: b, s3_aws_access_key_id: os.environ/A, s3_aws_secret_access_key: os.environ/B")
    )
    assert settings.ignored == (
        f"{PARAMS}.s3_aws_access_key_id: A is not set",
        f"{PARAMS}.s3_aws_secret_access_key: B is not set",
    )


def test_keys_that_stand_in_dotenv_are_there_for_boto3(read):
    settings = read(cache("s3_bucket_name: b"), dotenv="AWS_ACCESS_KEY_ID=a\nAWS_PROFILE=file\n", AWS_PROFILE="env")
    assert settings.for_libraries == {"AWS_ACCESS_KEY_ID": SecretStr("a")}
    assert "'a'" not in repr(settings)


@pytest.mark.parametrize(
    ("params", "key", "expected"),
    [
        ("ttl: 1", "s3_bucket_name", "must name the bucket"),
        ("s3_bucket_name: ''", "s3_bucket_name", "must name the bucket"),
        ("s3_bucket_name: os.environ/B", "s3_bucket_name", "B is not set"),
        ("s3_bucket_name: [b]", "s3_bucket_name", "must be text"),
        (
            "s3_bucket_name: b, s3_aws_access_key_id: k",
            "s3_aws_secret_access_key",
            "must be given together with s3_aws_access_key_id",
        ),
        (
            "s3_bucket_name: b, s3_aws_secret_access_key: k, s3_aws_access_key_id: os.environ/NONE",
            "s3_aws_access_key_id",
            "must be given together with s3_aws_secret_access_key",
        ),
        ("s3_bucket_name: b, s3_endpoint_url: h:8333", "s3_endpoint_url", "must be an address that begins with http"),
        ("s3_bucket_name: b, s3_use_ssl: maybe", "s3_use_ssl", "must be true or false"),
        ("s3_bucket_name: b, s3_verify: [1]", "s3_verify", "must be true, false, or the path of a CA file"),
        ("s3_bucket_name: b, s3_api_version: 2006", "s3_api_version", "must be text (put it in quotes)"),
        ("s3_bucket_name: b, s3_config: x", "s3_config", "must be a mapping of names to values"),
        ("s3_bucket_name: b, s3_region_name: os.environ/R", "s3_region_name", "R is not set"),
    ],
)
def test_wrong_values(read, params, key, expected):
    with pytest.raises(ConfigError) as caught:
        read(cache(params))
    assert (caught.value.source, caught.value.key) == ("config.yaml", f"{PARAMS}.{key}")
    assert caught.value.expected.startswith(expected)
