"""The effective settings, typed. Where each value came from is the loader's business, not theirs."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from askonce.config.identities import AwsIam, AzureIam, GcpIam
from askonce.config.policies import Alias, Frozen, Prices, RoutingSettings
from askonce.config.surface.rows import Standing

CacheType = Literal["local", "disk", "redis", "s3", "qdrant-semantic", "redis-semantic"]
Scope = Literal["global", "team", "key"]


class Deployment(Frozen):
    """One way to reach a model: an entry of `model_list`, or what stands for a missing one.

    `pattern` is what clients call it, stars included; `model` is its name at the provider, with stars where those of
    the pattern go. `provider` is the prefix of LiteLLM's model string. `api_base` has no slash at its end; for Azure
    and Anthropic it is the address before `/openai` and before `/v1`, and `api_version` is Azure's: a date, "v1" or
    "preview". `key_is_token`: `api_key` is shown as a bearer, whatever the provider's usual way. `timeout` is for a
    whole answer, `stream_timeout` for each wait of a stream, both in seconds. `model_info` is kept as it was written.

    `weight`, or else `rpm`, or else `tpm` (requests and tokens a minute) is its share of a group; of several `order`s
    the lowest that is usable is asked. `num_retries` goes before that of the routing. `prices` are what the operator
    says of it; `base_model` is whose price counts where `model` does not say it, as for Azure.

    `unsupported` says why requests to it cannot be served, and is None for those that can. `for_clients` is false for
    a model that only the cache itself asks for vectors.
    """

    pattern: str
    model: str
    provider: str
    api_base: str
    api_key: SecretStr | None = None
    key_is_token: bool = False
    api_version: str | None = None
    organization: str | None = None
    extra_headers: dict[str, str] = Field(default_factory=dict, repr=False)
    defaults: dict[str, Any] = Field(default_factory=dict, repr=False)
    timeout: float | None = None
    stream_timeout: float | None = None
    model_info: dict[str, Any] = Field(default_factory=dict, repr=False)
    weight: float | None = None
    rpm: int | None = None
    tpm: int | None = None
    order: int | None = None
    max_parallel_requests: int | None = None
    num_retries: int | None = None
    prices: Prices = Prices()
    base_model: str | None = None
    unsupported: str | None = None
    for_clients: bool = True


class DiskSettings(Frozen):
    path: Path
    max_bytes: int


class Node(Frozen):
    """One of several servers."""

    host: str
    port: int


class RedisSettings(Frozen):
    """Where Redis is, the first of these that is given: `cluster_nodes`, `url`, `sentinel_nodes` with `service_name`,
    or `host` and `port`. `arguments` go to redis-py's client as they are. `iam` gives the password anew where set.
    """

    cluster_nodes: tuple[Node, ...] = ()
    sentinel_nodes: tuple[Node, ...] = ()
    service_name: str | None = None
    sentinel_password: SecretStr | None = None
    iam: GcpIam | AwsIam | AzureIam | None = None
    url: SecretStr | None = None
    host: str | None = None
    port: int = 6379
    db: int = 0
    username: str | None = None
    password: SecretStr | None = None
    ssl: bool = False
    max_connections: int | None = None
    arguments: dict[str, Any] = Field(default_factory=dict, repr=False)


class S3Settings(Frozen):
    """A bucket. Keys that are None are looked for where boto3 always looks. `path` is a folder in the bucket, without
    slashes at its ends; `verify` may be the path of a CA file; `config` goes to botocore's Config.
    """

    bucket: str
    path: str = ""
    region: str | None = None
    api_version: str | None = None
    use_ssl: bool = True
    verify: bool | str | None = None
    endpoint_url: str | None = Field(default=None, repr=False)
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    config: dict[str, Any] = Field(default_factory=dict, repr=False)


class QdrantSettings(Frozen):
    """A Qdrant server."""

    url: str = Field(repr=False)
    api_key: SecretStr | None = None
    quantization: Literal["binary", "scalar", "product"] = "binary"


class SemanticSettings(Frozen):
    """Matching by meaning. `index` is what the Qdrant collection or the Redis index is called, before the embedding
    model and its dimension are added. `embedding_model` is a name that `deployments` has, or `local/…`: see
    `local_model`.
    """

    threshold: float
    embedding_model: str
    index: str

    @property
    def local_model(self) -> str | None:
        """What follows `local/`: `minilm`, or a folder with a model; None where a provider embeds."""
        kind, slash, name = self.embedding_model.partition("/")
        return name if slash and kind == "local" else None


class CacheSettings(Frozen):
    """`ttl` is what new entries live, in seconds, and None is without end. `memory_ttl` caps it in the memory tier."""

    enabled: bool = True
    type: CacheType = "disk"
    ttl: float | None = None
    memory_ttl: float | None = None
    namespace: str = ""
    call_types: frozenset[str]
    opt_in: bool = False
    disk: DiskSettings | None = None
    redis: RedisSettings | None = None
    s3: S3Settings | None = None
    qdrant: QdrantSettings | None = None
    semantic: SemanticSettings | None = None


class ProxySettings(BaseSettings):
    """askonce's own settings: the `askonce:` section of the config file, or `ASKONCE_<NAME>` in the environment.

    The environment wins. Times are in seconds, sizes in bytes.
    """

    model_config = SettingsConfigDict(env_prefix="ASKONCE_", frozen=True, extra="forbid", env_ignore_empty=True)

    host: str | None = Field(
        default=None,
        description="Address to listen on; 127.0.0.1 without a master key, or with one of public documentation, else "
        "0.0.0.0.",
    )
    port: int = Field(default=4000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    frontends: int | None = Field(default=None, ge=1, le=256, description="Frontend processes; one per core but one.")
    writers: int = Field(default=1, ge=1, le=256, description="Writer processes.")
    data_dir: Path = Field(
        default=Path(".askonce"), description="Where `up` keeps the queue, the disk store and its lock."
    )
    nats_url: SecretStr | None = Field(
        default=None, description="A NATS server with JetStream; without one `up` runs its own."
    )
    nats_user: str | None = Field(
        default=None, min_length=1, description="Who this process is to that server, where `nats_url` does not say it."
    )
    nats_password: SecretStr | None = Field(default=None, min_length=1, description="What goes with `nats_user`.")
    cache_scope: Scope | None = Field(
        default=None,
        description="Who shares answers: global, or key (by credential; team is the same until there are teams). "
        "Default: global, but by credential where the client's own key pays.",
    )
    memory_bytes: int = Field(
        default=256 << 20, ge=0, description="Size of each frontend's memory tier; 0 turns it off."
    )
    memory_recheck: float = Field(
        default=60.0, gt=0, description="After this long a memory entry is looked up in the store."
    )
    max_entry_bytes: int = Field(default=1 << 20, ge=1, description="Larger answers are served and not kept.")
    max_body_bytes: int = Field(default=32 << 20, ge=1024, description="Larger requests get 413.")
    broadcast_bytes: int = Field(
        default=64 << 10, ge=0, description="Larger entries are told to other frontends by key only."
    )
    store_deadline: float | None = Field(default=None, gt=0, description="A slower read of the store counts as a miss.")
    embedding_deadline: float = Field(
        default=1.0, gt=0, description="A request waits no longer for the vector of its text; then it is a miss."
    )
    embedding_cache_bytes: int = Field(
        default=16 << 20, ge=0, description="Size of each frontend's memory of texts and their vectors."
    )
    semantic_max_chars: int = Field(
        default=2000, ge=1, description="Longer texts are matched exactly only, not by meaning."
    )
    semantic_rules: Path | None = Field(
        default=None, description="A file of rules that the guard of semantic matches follows beside its own."
    )
    outbox_events: int = Field(default=10_000, ge=1, description="Answers that may wait for the queue, per frontend.")
    outbox_bytes: int = Field(default=64 << 20, ge=1024, description="The same in bytes.")
    outbox_age: float = Field(default=3600.0, gt=0, description="An answer that waited longer is dropped and counted.")
    queue_bytes: int = Field(
        default=1 << 30, ge=1 << 20, description="Size of the JetStream stream; a full one refuses."
    )
    queue_replicas: int = Field(
        default=1,
        ge=1,
        le=5,
        description="How many servers of a NATS cluster hold each stream that is made; those that are there stay.",
    )
    tombstone_age: float = Field(default=7 * 86400.0, ge=7200, description="How long a deletion is remembered.")
    disk_bytes: int = Field(
        default=10 << 30, ge=1 << 20, description="The disk store evicts the oldest entries above this."
    )
    upstream_timeout: float = Field(
        default=600.0, gt=0, description="Longest wait for a whole answer from the provider."
    )
    upstream_connect_timeout: float = Field(
        default=10.0, gt=0, description="Longest wait for a connection to the provider."
    )
    drain_seconds: float = Field(
        default=30.0,
        gt=0,
        description="For requests and arriving answers together at shutdown; the outbox then has a quarter of it "
        "at least.",
    )
    shutdown_delay: float = Field(
        default=0.0,
        ge=0,
        le=3600,
        description="Told to stop, a frontend run by hand serves for this long before it drains, and says that it is "
        "not ready: a balancer takes it out meanwhile. Under `up` it has no effect.",
    )
    key_grace: float = Field(
        default=3600.0, ge=0, description="While the keys' bucket is away, keys seen before stay good for this long."
    )
    metrics_port: int | None = Field(
        default=None, ge=0, le=65535, description="Port for `/metrics` of a writer run by hand."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Level of the JSON log lines."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed in: the loader reads the environment that it was given, never the process's own."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


class AccessSettings(Frozen):
    """Virtual keys and limits. `key_ttl` is for how long, in seconds, what is known of a key is not asked for again.
    `redis` is where limits are counted for all frontends together; None: each counts for itself.
    """

    key_ttl: float = 60.0
    max_parallel_requests: int | None = None
    redis: RedisSettings | None = None


class Settings(Frozen):
    """Everything that is in force. `ignored` lists settings of the file that have no effect here, and why; `warnings`
    what works and is dangerous, in whole sentences; `standing` all of LiteLLM's that are in it, in its order.

    `for_libraries` are variables of `.env`, of files or of the config file that the libraries of clouds read for
    themselves, from the process's own environment. `from_files` tells where variables were read from files, or is "".
    """

    source: str
    deployments: tuple[Deployment, ...]
    aliases: tuple[Alias, ...] = ()
    cache: CacheSettings
    proxy: ProxySettings
    routing: RoutingSettings = RoutingSettings()
    access: AccessSettings = AccessSettings()
    master_key: SecretStr | None = None
    ignored: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    standing: tuple[Standing, ...] = ()
    for_libraries: dict[str, SecretStr] = Field(default_factory=dict)
    from_files: str = ""
