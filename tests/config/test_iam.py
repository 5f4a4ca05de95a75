"""Passwords for Redis that a cloud's identity service gives: which one, and for whom."""

import pytest

from askonce.config.identities import AwsIam, AzureIam, GcpIam
from askonce.core.errors import ConfigError

PARAMS = "litellm_settings.cache_params"


def cache(params: str) -> str:
    return f"litellm_settings: {{cache: true, cache_params: {{type: redis, host: h, {params}}}}}"


ACCOUNT = "projects/-/serviceAccounts/sa@p.iam.gserviceaccount.com"
AWS = "aws_iam_auth: true, aws_iam_user_name: u, aws_iam_cache_name: c, ssl: true"


@pytest.mark.parametrize(
    ("params", "environ", "expected"),
    [
        ("ssl: true", {}, None),
        (f"gcp_service_account: {ACCOUNT}", {}, GcpIam(service_account=ACCOUNT)),
        ("ttl: 1", {"REDIS_GCP_SERVICE_ACCOUNT": ACCOUNT}, GcpIam(service_account=ACCOUNT)),
        (f"{AWS}, aws_iam_region: r", {"AWS_REGION": "other"}, AwsIam(user="u", cache="c", region="r")),
        (AWS, {"AWS_REGION": "r", "AWS_DEFAULT_REGION": "other"}, AwsIam(user="u", cache="c", region="r")),
        (AWS, {"AWS_DEFAULT_REGION": "r"}, AwsIam(user="u", cache="c", region="r")),
        (
            "ttl: 1",
            {
                "REDIS_AWS_IAM_AUTH": "true",
                "REDIS_AWS_IAM_USER_NAME": "u",
                "REDIS_AWS_IAM_CACHE_NAME": "c",
                "REDIS_AWS_IAM_REGION": "r",
                "REDIS_AWS_IAM_SERVERLESS": "1",
                "REDIS_SSL": "true",
            },
            AwsIam(user="u", cache="c", region="r", serverless=True),
        ),
        ("aws_iam_auth: false", {"REDIS_AWS_IAM_AUTH": "true"}, None),
        ("azure_redis_ad_token: 'true'", {}, AzureIam()),
        (
            "azure_redis_ad_token: true, azure_client_id: i, azure_tenant_id: t, azure_client_secret: s",
            {"AZURE_CLIENT_ID": "other"},
            AzureIam(client_id="i", tenant_id="t", client_secret="s"),
        ),
        (
            "ttl: 1",
            {
                "REDIS_AZURE_AD_TOKEN": "true",
                "AZURE_CLIENT_ID": "i",
                "AZURE_TENANT_ID": "t",
                "AZURE_CLIENT_SECRET": "s",
            },
            AzureIam(client_id="i", tenant_id="t", client_secret="s"),
        ),
        ("ttl: 1", {"AZURE_CLIENT_ID": "i", "AWS_REGION": "r"}, None),
    ],
)
def test_who_gives_the_password(read, params, environ, expected):
    settings = read(cache(params), **environ)
    assert settings.cache.redis.iam == expected
    assert settings.ignored == ()


def test_google_before_microsoft_before_amazon_as_in_litellm(read):
    azure = "azure_redis_ad_token: true, azure_client_id: i"
    settings = read(cache(f"gcp_service_account: {ACCOUNT}, {azure}, {AWS}, aws_iam_region: r"))
    assert settings.cache.redis.iam == GcpIam(service_account=ACCOUNT)
    names = ["azure_redis_ad_token", "azure_client_id", "aws_iam_auth", "aws_iam_user_name", "aws_iam_cache_name"]
    assert settings.ignored == tuple(
        f"{PARAMS}.{name}: has no effect beside {PARAMS}.gcp_service_account" for name in (*names, "aws_iam_region")
    )
    assert read(cache(f"{azure}, {AWS}")).cache.redis.iam == AzureIam(client_id="i")


def test_what_belongs_to_an_identity_that_is_not_asked_is_told(read):
    settings = read(cache("aws_iam_user_name: u, azure_client_id: i"))
    assert settings.cache.redis.iam is None
    assert set(settings.ignored) == {
        f"{PARAMS}.aws_iam_user_name: has no effect without aws_iam_auth",
        f"{PARAMS}.azure_client_id: has no effect without azure_redis_ad_token",
    }


def test_a_fixed_login_has_no_effect_beside_it(read):
    settings = read(cache(f"gcp_service_account: {ACCOUNT}, username: u"), REDIS_PASSWORD="p")
    assert (settings.cache.redis.username, settings.cache.redis.password) == (None, None)
    beside = f"has no effect beside {PARAMS}.gcp_service_account"
    assert settings.ignored == (f"REDIS_PASSWORD: {beside}", f"{PARAMS}.username: {beside}")


def test_nor_has_the_login_of_an_address(read):
    text = cache(f"url: 'rediss://u:p@h:1/2', gcp_service_account: {ACCOUNT}").replace("host: h, ", "")
    assert read(text).cache.redis.url.get_secret_value() == "rediss://h:1/2"


@pytest.mark.parametrize(
    ("params", "environ", "key", "expected"),
    [
        (
            "aws_iam_auth: true, ssl: true, aws_iam_user_name: u",
            {},
            f"{PARAMS}.aws_iam_auth",
            "AWS ElastiCache IAM Redis authentication requires: aws_iam_cache_name, aws_iam_region",
        ),
        (
            "aws_iam_auth: true, aws_iam_user_name: u, aws_iam_cache_name: c, aws_iam_region: r",
            {},
            f"{PARAMS}.aws_iam_auth",
            "AWS ElastiCache IAM Redis authentication requires TLS",
        ),
        (
            "ssl: true",
            {"REDIS_AWS_IAM_AUTH": "true"},
            "REDIS_AWS_IAM_AUTH",
            "AWS ElastiCache IAM Redis authentication requires: aws_iam_user_name, ",
        ),
        (
            "azure_redis_ad_token: true, azure_client_secret: s",
            {},
            f"{PARAMS}.azure_client_secret",
            "must stand with azure_client_id and azure_tenant_id",
        ),
        ("azure_redis_ad_token: eyJ0", {}, f"{PARAMS}.azure_redis_ad_token", "must be true or false"),
        ("ttl: 1", {"REDIS_AZURE_AD_TOKEN": "eyJ0"}, "REDIS_AZURE_AD_TOKEN", "must be true or false"),
    ],
)
def test_what_is_missing_stops_the_start(read, params, environ, key, expected):
    with pytest.raises(ConfigError) as caught:
        read(cache(params), **environ)
    assert caught.value.key == key
    assert caught.value.expected.startswith(expected)
    assert "eyJ0" not in str(caught.value)
