"""The block of LiteLLM's page "Caching" that shows every parameter, with values put in; and blocks that are told of."""

from pydantic import SecretStr

from askonce.config.settings import CacheSettings, RedisSettings, S3Settings
from tests.config.litellm_blocks import ACCOUNT, FOUR, page

# What Redis, S3 and matching by meaning leave unread of the block that shows all parameters.
PLACED = {
    "ttl: Optional[float]": "ttl: 600",
    "default_in_memory_ttl: Optional[float]": "default_in_memory_ttl: 60",
    "default_in_redis_ttl: Optional[float]": "default_in_redis_ttl: 300.5",
    "max_connections: Optional[Int]": "max_connections: 10",
    "namespace: Optional[str] = None,": "namespace: team",
}
OTHERS = """
    max_connections host port password gcp_service_account gcp_ssl_ca_certs ssl ssl_cert_reqs ssl_check_hostname
    default_in_redis_ttl
"""


def supported_params(kind: str = "s3") -> str:
    text = page("supported_params.yaml").replace("type: s3", f"type: {kind}")
    for placeholder, value in PLACED.items():
        assert f"\n  {placeholder}\n" in text
        text = text.replace(f"\n  {placeholder}\n", f"\n  {value}\n")
    return "litellm_settings:\n  cache: true\n" + "".join(f"  {line}\n" for line in text.splitlines())


def test_all_supported_parameters_with_values_put_in(read):
    settings = read(supported_params())
    assert settings.cache == CacheSettings(
        type="s3",
        ttl=600.0,
        memory_ttl=60.0,
        namespace="team",
        call_types=FOUR,
        s3=S3Settings(
            bucket="your_s3_bucket_name",
            region="us-west-2",
            api_version="2006-03-01",
            use_ssl=True,
            verify=True,
            endpoint_url="https://s3.amazonaws.com",
            access_key_id=SecretStr("your_access_key"),
            secret_access_key=SecretStr("your_secret_key"),
            session_token=SecretStr("your_session_token"),
        ),
    )
    assert set(settings.ignored) == {
        f"litellm_settings.cache_params.{name}: only for types redis and redis-semantic" for name in OTHERS.split()
    }


def test_the_same_parameters_for_redis(read, tmp_path):
    settings = read(supported_params("redis"))
    assert settings.cache == CacheSettings(
        type="redis",
        ttl=300.5,
        memory_ttl=60.0,
        namespace="team",
        call_types=FOUR,
        redis=RedisSettings(
            host="localhost",
            port=6379,
            ssl=True,
            max_connections=10,
            iam=ACCOUNT,
            arguments={
                "ssl_cert_reqs": "none",
                "ssl_check_hostname": False,
                "ssl_ca_certs": f"{tmp_path}/server-ca.pem",
            },
        ),
    )
    assert settings.ignored[0] == (
        "litellm_settings.cache_params.password: has no effect beside litellm_settings.cache_params.gcp_service_account"
    )
    assert all("cache_params.s3_" in line and line.endswith(": only for type s3") for line in settings.ignored[1:])


def test_parameters_at_the_top_of_the_file_are_told(read):
    assert read(page("supported_params.yaml")).ignored == ("cache_params: belongs into litellm_settings",)


def test_credentials_of_google_in_dotenv_are_there_for_its_library(read):
    settings = read(page("gcp_iam.yaml"), dotenv=page("google.env"))
    assert settings.for_libraries == {"GOOGLE_APPLICATION_CREDENTIALS": SecretStr("/path/to/service-account-key.json")}


def test_user_key_ttl(read):
    settings = read(page("user_key_ttl.yaml").replace("<your-number>", "30"))
    assert (settings.access.key_ttl, settings.ignored) == (30, ())
