"""The settings in force, told to people. Secrets are told as set or not set, and addresses without credentials."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from askonce.config.identities import AwsIam, AzureIam, GcpIam
from askonce.config.names import Names
from askonce.config.policies import RoutingSettings
from askonce.config.settings import (
    CacheSettings,
    Deployment,
    Node,
    QdrantSettings,
    RedisSettings,
    S3Settings,
    SemanticSettings,
    Settings,
)
from askonce.config.surface.rows import Verdict

Line = tuple[str, str]

_WIDEST: Final = 60  # characters of a name that reasons are aligned behind; few are longer


def describe(settings: Settings) -> list[Line]:
    """Label and text, one pair for each line to print. What has no effect is not among them: see `standing`."""
    keyless = "the client's own key" if settings.master_key is None else "no key"
    return [
        ("config", settings.source),
        *((("secrets", settings.from_files),) if settings.from_files else ()),
        ("master key", _secret(settings.master_key)),
        *(("warning", warning) for warning in settings.warnings),
        *((f"model {deployment.pattern}", _deployment(deployment, keyless)) for deployment in settings.deployments),
        *_groups(settings.deployments),
        *((f"alias {alias.name}", f"{alias.model}{', hidden' if alias.hidden else ''}") for alias in settings.aliases),
        *_routing(settings.routing, Names(settings.deployments, settings.aliases)),
        *_access(settings),
        *_cache(settings.cache),
        *((f"askonce.{name}", _plain(value)) for name, value in settings.proxy),
    ]


def standing(settings: Settings) -> Iterator[str]:
    """A line for each of LiteLLM's settings that stand in the file: whether it works, and how it is better, or why it
    does not. Then what has no effect and stands elsewhere, such as variables. Names and reasons only, never a value.
    """
    inside = [(one.verdict, one.name, "" if one.verdict is Verdict.WORKS else one.words) for one in settings.standing]
    names = tuple(f"{name}: " for _, name, _ in inside)
    parted = [text.partition(": ") for text in settings.ignored if not text.startswith(names)]
    elsewhere = [(Verdict.NOT, name, why) for name, _, why in parted]
    width = min(_WIDEST, max((len(name) for _, name, words in inside + elsewhere if words), default=0))
    for heading, lines in (
        (f"LiteLLM's settings in {settings.source}", inside),
        ("Elsewhere, without effect", elsewhere),
    ):
        if lines:
            yield heading
        for verdict, name, words in lines:
            yield f"{verdict:<6}  {name:<{width}} : {words}" if words else f"{verdict:<6}  {name}"


def without_credentials(url: str) -> str:
    """Scheme, host, port and path of an address: a user, a password or a query may be secret."""
    scheme, _, rest = url.partition("://")
    # A password may hold "/", "#" or "?" unescaped: whatever stands before the last "@" is left out. Where that stands
    # behind a query, what follows it may be the end of a password as well.
    before, _, after = rest.rpartition("@")
    if "?" in before or "#" in before:
        return f"{scheme}://"
    parts = urlsplit(f"//{after}")
    return f"{scheme}://{parts.netloc}{parts.path}"


def _deployment(deployment: Deployment, keyless: str) -> str:
    """`keyless` is what is shown where it has no key of its own."""
    name = f"{deployment.provider}/{deployment.model}"
    if deployment.unsupported is not None:
        return f"{name}: not served: {deployment.unsupported}"
    words = [f"{name} at {without_credentials(deployment.api_base)}"]
    words += [] if deployment.api_version is None else [f"API version {deployment.api_version}"]
    words.append(keyless if deployment.api_key is None else "its own key")
    if deployment.defaults:
        words.append(f"defaults for {', '.join(deployment.defaults)}")
    if deployment.extra_headers:
        words.append(f"headers {', '.join(deployment.extra_headers)}")
    return ", ".join(words)


def _groups(deployments: Sequence[Deployment]) -> Iterator[Line]:
    served = Counter(one.pattern for one in deployments if one.unsupported is None)
    for name, count in Counter(one.pattern for one in deployments).items():
        if count > 1:
            less = "" if served[name] == count else f", {served[name]} served"
            yield f"group {name}", f"{count} deployments{less}"


def _routing(routing: RoutingSettings, names: Names) -> Iterator[Line]:
    def told(listed: Sequence[str]) -> str:
        return ", ".join(one if names.served(one) else f"{one} (not served)" for one in listed)

    cooled = (
        f"cooled for {routing.cooldown:g} s after more than {routing.allowed_fails} failures in a minute"
        if routing.cooldown
        else "never cooled"
    )
    yield "routing", f"{routing.strategy}, {routing.num_retries} retries; {cooled}"
    for words, rules in (
        ("fallbacks", routing.fallbacks),
        ("context window fallbacks", routing.context_window_fallbacks),
        ("content policy fallbacks", routing.content_policy_fallbacks),
    ):
        yield from ((f"{words} {name}", told(others) or "none") for name, others in rules.items())
    if routing.default_fallbacks:
        yield "fallbacks of others", told(routing.default_fallbacks)
    yield from (("shared answers", ", ".join(group)) for group in routing.caching_groups)


def _access(settings: Settings) -> Iterator[Line]:
    redis = settings.access.redis
    yield "limits", "counted in each process" if redis is None else f"counted in Redis: {_redis(redis)}"
    if settings.access.max_parallel_requests is not None:
        yield "requests under way", f"{settings.access.max_parallel_requests} at most"
    yield "virtual keys", "cannot be made without a master key" if settings.master_key is None else "can be made"


def _cache(cache: CacheSettings) -> Iterator[Line]:
    if not cache.enabled:
        yield "cache", "off"
        return
    yield "cache", cache.type
    if cache.disk is not None:
        yield "cache path", f"{cache.disk.path}, up to {cache.disk.max_bytes} bytes"
    if cache.redis is not None:
        yield "cache server", _redis(cache.redis)
    if cache.s3 is not None:
        yield "cache bucket", _s3(cache.s3)
    if cache.qdrant is not None:
        yield "cache server", _qdrant(cache.qdrant)
    if cache.semantic is not None:
        yield "cache matching", _semantic(cache.semantic)
    yield "cache ttl", "without end" if cache.ttl is None else f"{cache.ttl:g} s"
    if cache.memory_ttl is not None:
        yield "cache ttl in memory", f"{cache.memory_ttl:g} s"
    yield "cache namespace", cache.namespace or "none"
    yield "cache mode", "default_off" if cache.opt_in else "default_on"
    yield "cache call types", ", ".join(sorted(cache.call_types)) or "none"


def _redis(redis: RedisSettings) -> str:
    password = f"password {_secret(redis.password)}" if redis.iam is None else _iam(redis.iam)
    if redis.cluster_nodes:
        words = [f"cluster of {_nodes(redis.cluster_nodes)}", password]
    elif redis.url is not None:
        words = [without_credentials(redis.url.get_secret_value())]
        words += [] if redis.iam is None else [password]
    elif redis.sentinel_nodes:
        words = [
            f"{redis.service_name} as Sentinels at {_nodes(redis.sentinel_nodes)} say, database {redis.db}",
            password,
        ]
        words.append(f"password of the Sentinels {_secret(redis.sentinel_password)}")
    else:
        words = [f"{redis.host}:{redis.port}, database {redis.db}", password]
    if redis.ssl:
        words.append("TLS")
    if redis.arguments:
        words.append(f"with {', '.join(redis.arguments)}")
    return ", ".join(words)


def _nodes(nodes: Sequence[Node]) -> str:
    return " ".join(f"{node.host}:{node.port}" for node in nodes)


def _iam(iam: GcpIam | AwsIam | AzureIam) -> str:
    match iam:
        case GcpIam():
            return f"tokens of {iam.service_account} from Google"
        case AwsIam():
            return f"requests signed for {iam.user} of {iam.cache} in {iam.region}"
        case AzureIam():
            return f"tokens from Microsoft, {'of the machine' if iam.client_secret is None else 'by client secret'}"


def _s3(s3: S3Settings) -> str:
    words = ["/".join(part for part in (s3.bucket, s3.path) if part)]
    words.append("region not set" if s3.region is None else f"region {s3.region}")
    if s3.endpoint_url is not None:
        words.append(f"at {without_credentials(s3.endpoint_url)}")
    words.append("keys that boto3 finds" if s3.access_key_id is None else "keys set")
    if not s3.use_ssl:
        words.append("without TLS")
    if s3.verify is False:
        words.append("certificate not checked")
    if s3.config:
        words.append(f"with {', '.join(s3.config)}")
    return ", ".join(words)


def _qdrant(qdrant: QdrantSettings) -> str:
    key = f"API key {_secret(qdrant.api_key)}"
    return f"{without_credentials(qdrant.url)}, {key}, {qdrant.quantization} quantization"


def _semantic(semantic: SemanticSettings) -> str:
    return f"from {semantic.threshold:g} up, by {semantic.embedding_model}, in {semantic.index}"


def _secret(value: SecretStr | None) -> str:
    return "not set" if value is None else "set"


def _plain(value: Any) -> str:
    if isinstance(value, SecretStr):
        return _secret(value)
    return "not set" if value is None else str(value)
