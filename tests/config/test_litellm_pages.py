"""The config files of LiteLLM's page "Caching", as they stand there, load and mean what the page says."""

import pytest

QUICK_START = """
model_list:
  - model_name: gpt-3.5-turbo
    litellm_params:
      model: gpt-3.5-turbo
  - model_name: text-embedding-ada-002
    litellm_params:
      model: text-embedding-ada-002

litellm_settings:
  set_verbose: True
  cache: True          # set cache responses to True, litellm defaults to using a redis cache
"""

NAMESPACE = """
litellm_settings:
  cache: true
  cache_params:        # set cache params for redis
    type: redis
    namespace: "litellm.caching.caching"
"""

CLUSTER = """
model_list:
  - model_name: "*"
    litellm_params:
      model: "*"


litellm_settings:
  cache: True
  cache_params:
    type: redis
    redis_startup_nodes: [{"host": "127.0.0.1", "port": "7001"}]
"""

SENTINEL = """
model_list:
  - model_name: "*"
    litellm_params:
      model: "*"


litellm_settings:
  cache: true
  cache_params:
    type: "redis"
    service_name: "mymaster"
    sentinel_nodes: [["localhost", 26379]]
    sentinel_password: "password" # [OPTIONAL]
"""

TTL = """
litellm_settings:
  cache: true
  cache_params:        # set cache params for redis
    type: redis
    ttl: 600 # will be cached on redis for 600s
    # default_in_memory_ttl: Optional[float], default is None. time in seconds.
    # default_in_redis_ttl: Optional[float], default is None. time in seconds.
"""

GCP_IAM = """
litellm_settings:
  cache: True
  cache_params:
    type: redis
    redis_startup_nodes: [{"host": "10.128.0.2", "port": 6379}, {"host": "10.128.0.2", "port": 11008}]
    gcp_service_account: "projects/-/serviceAccounts/your-sa@project.iam.gserviceaccount.com"
    ssl: true
    ssl_cert_reqs: null
    ssl_check_hostname: false
"""

QDRANT = """
model_list:
  - model_name: fake-openai-endpoint
    litellm_params:
      model: openai/fake
      api_key: fake-key
      api_base: https://exampleopenaiendpoint-production.up.railway.app/
  - model_name: openai-embedding
    litellm_params:
      model: openai/text-embedding-3-small
      api_key: os.environ/OPENAI_API_KEY

litellm_settings:
  set_verbose: True
  cache: True          # set cache responses to True, litellm defaults to using a redis cache
  cache_params:
    type: qdrant-semantic
    qdrant_semantic_cache_embedding_model: openai-embedding # the model should be defined on the model_list
    qdrant_collection_name: test_collection
    qdrant_quantization_config: binary
    similarity_threshold: 0.8   # similarity threshold for semantic cache
"""

S3 = """
model_list:
  - model_name: gpt-3.5-turbo
    litellm_params:
      model: gpt-3.5-turbo

litellm_settings:
  set_verbose: True
  cache: True          # set cache responses to True
  cache_params:        # set cache params for s3
    type: s3
    s3_bucket_name: cache-bucket-litellm   # AWS Bucket Name for S3
    s3_region_name: us-west-2              # AWS Region Name for S3
    s3_aws_access_key_id: os.environ/AWS_ACCESS_KEY_ID
    s3_aws_secret_access_key: os.environ/AWS_SECRET_ACCESS_KEY  # AWS Secret Access Key for S3
    s3_endpoint_url: https://s3.amazonaws.com  # [OPTIONAL] S3 endpoint URL
"""

REDIS_SEMANTIC = """
model_list:
  - model_name: azure-embedding-model
    litellm_params:
      model: azure/azure-embedding-model
      api_base: os.environ/AZURE_API_BASE
      api_key: os.environ/AZURE_API_KEY
      api_version: "2023-07-01-preview"

litellm_settings:
  cache: True          # set cache responses to True
  cache_params:
    type: "redis-semantic"
    similarity_threshold: 0.8   # similarity threshold for semantic cache
    redis_semantic_cache_embedding_model: azure-embedding-model # set this to a model_name set in model_list
"""

LOCAL = """
litellm_settings:
  cache: True
  cache_params:
    type: local
"""

DISK = """
litellm_settings:
  cache: True
  cache_params:
    type: disk
    disk_cache_dir: /tmp/litellm-cache  # OPTIONAL, default to ./.litellm_cache
"""

NO_CALL_TYPES = """
litellm_settings:
  cache: True
  cache_params:
    type: redis
    supported_call_types: []
"""

CALL_TYPES = """
litellm_settings:
  cache: True
  cache_params:
    type: redis
    supported_call_types: ["acompletion", "atext_completion", "aembedding", "atranscription"]
                          # /chat/completions, /completions, /embeddings, /audio/transcriptions
"""

PARAMS = """
litellm_settings:
  set_verbose: True
  cache: True          # set cache responses to True, litellm defaults to using a redis cache
  cache_params:         # cache_params are optional
    type: "redis"  # The type of cache to initialize. Can be "local" or "redis". Defaults to "local".
    host: "localhost"  # The host address for the Redis cache. Required if type is "redis".
    port: 6379  # The port number for the Redis cache. Required if type is "redis".
    password: "your_password"  # The password for the Redis cache. Required if type is "redis".

    # Optional configurations
    supported_call_types: ["acompletion", "atext_completion", "aembedding", "atranscription"]
                      # /chat/completions, /completions, /embeddings, /audio/transcriptions
"""

DEFAULT_OFF = """
model_list:
  - model_name: fake-openai-endpoint
    litellm_params:
      model: openai/fake
      api_key: fake-key
      api_base: https://exampleopenaiendpoint-production.up.railway.app/

# default off mode
litellm_settings:
  set_verbose: True
  cache: True
  cache_params:
    mode: default_off # Key change cache is default_off
"""

MAX_CONNECTIONS = """
litellm_settings:
  cache: true
  cache_params:
    type: redis
    max_connections: 100
"""

USER_KEY_TTL = """
general_settings:
  user_api_key_cache_ttl: 30 #time in seconds
"""


def test_cache_true_alone_is_redis_from_the_environment(read):
    settings = read(QUICK_START, REDIS_HOST="r.example", REDIS_PORT="18841", REDIS_PASSWORD="liteLlmIsAmazing")
    redis = settings.cache.redis
    assert settings.cache.type == "redis"
    assert (redis.host, redis.port, redis.db, redis.ssl) == ("r.example", 18841, 0, False)
    assert redis.password.get_secret_value() == "liteLlmIsAmazing"
    assert [(d.pattern, d.model, d.provider) for d in settings.deployments] == [
        ("gpt-3.5-turbo", "gpt-3.5-turbo", "openai"),
        ("text-embedding-ada-002", "text-embedding-ada-002", "openai"),
    ]
    assert {d.api_base for d in settings.deployments} == {"https://api.openai.com/v1"}
    assert settings.ignored == ("litellm_settings.set_verbose: use askonce.log_level",)


def test_redis_url_alone(read):
    redis = read(QUICK_START, REDIS_URL="redis://username:password@hostname:6380/2").cache.redis
    assert redis.url.get_secret_value() == "redis://username:password@hostname:6380/2"
    assert redis.host is None


def test_namespace(read):
    cache = read(NAMESPACE, REDIS_HOST="localhost").cache
    assert (cache.type, cache.namespace) == ("redis", "litellm.caching.caching")


def test_ttl(read):
    cache = read(TTL, REDIS_HOST="localhost").cache
    assert (cache.ttl, cache.memory_ttl) == (600.0, None)


def test_ssl_by_variable(read):
    assert read(TTL, dotenv='REDIS_SSL="True"\nREDIS_HOST = "h"\n').cache.redis.ssl is True


def test_local(read):
    cache = read(LOCAL).cache
    assert (cache.enabled, cache.type, cache.ttl, cache.disk, cache.redis) == (True, "local", 600, None, None)


def test_disk(read, tmp_path):
    disk = read(DISK).cache.disk
    assert str(disk.path) == "/tmp/litellm-cache"
    without_dir = "\n".join(DISK.splitlines()[:-1])
    assert read(without_dir).cache.disk.path == tmp_path / ".litellm_cache"


def test_no_call_types(read):
    cache = read(NO_CALL_TYPES, REDIS_HOST="localhost").cache
    assert cache.enabled
    assert cache.call_types == frozenset()


def test_call_types(read):
    settings = read(CALL_TYPES, REDIS_HOST="localhost")
    assert len(settings.cache.call_types) == 4
    assert settings.cache.call_types <= read(LOCAL).cache.call_types
    assert settings.ignored == ()


def test_params(read):
    cache = read(PARAMS).cache
    redis = cache.redis
    assert (redis.host, redis.port, redis.password.get_secret_value()) == ("localhost", 6379, "your_password")
    assert len(cache.call_types) == 4


def test_default_off_without_a_type_is_local(read):
    settings = read(DEFAULT_OFF)
    assert (settings.cache.type, settings.cache.opt_in) == ("local", True)
    (deployment,) = settings.deployments
    assert deployment.api_base == "https://exampleopenaiendpoint-production.up.railway.app"
    assert deployment.api_key.get_secret_value() == "fake-key"


def test_max_connections(read):
    assert read(MAX_CONNECTIONS, REDIS_HOST="localhost").cache.redis.max_connections == 100


def test_user_key_ttl_is_told_as_not_built(read):
    assert read(USER_KEY_TTL).ignored == ("general_settings.user_api_key_cache_ttl: not built yet",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CLUSTER, "redis_startup_nodes: Redis Cluster is not built yet; answers are kept in memory only"),
        (SENTINEL, "sentinel_nodes: Redis Sentinel is not built yet; answers are kept in memory only"),
        (GCP_IAM, "gcp_service_account: not built yet"),
        (QDRANT, "type: qdrant-semantic is not built yet; answers are kept in memory only"),
        (S3, "type: s3 is not built yet; answers are kept in memory only"),
        (REDIS_SEMANTIC, "type: redis-semantic is not built yet; answers are kept in memory only"),
    ],
)
def test_what_is_not_built_starts_in_memory_and_is_told(read, text, told):
    settings = read(text)
    assert settings.cache.type == "local"
    assert any(line.startswith(f"litellm_settings.cache_params.{told}") for line in settings.ignored), settings.ignored


@pytest.mark.parametrize("variable", ["REDIS_CLUSTER_NODES", "REDIS_SENTINEL_NODES"])
def test_several_servers_by_variable(read, variable):
    settings = read(QUICK_START, **{variable: '[["localhost", 26379]]'})
    assert settings.cache.type == "local"
    assert any(line.startswith(f"{variable}: Redis ") for line in settings.ignored)


def test_one_server_that_is_named_is_used_although_others_are_listed(read):
    assert read(CLUSTER, REDIS_HOST="127.0.0.1").cache.type == "redis"
