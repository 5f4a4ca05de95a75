"""LiteLLM's provider prefixes: which are served, how each is spoken to, and from where. Knows names, addresses and
variables; knows no wire format.

Source of the names, addresses and variables: LiteLLM 1.109 (`litellm/types/utils.py`, `get_llm_provider_logic.py` and
what they call). See docs/decisions/0054.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

OPENAI_BASE: Final = "https://api.openai.com/v1"


class Dialect(StrEnum):
    """Whose addresses and credentials a provider understands. What is said below them is always the route's own API."""

    OPENAI = "openai"
    AZURE = "azure"
    ANTHROPIC = "anthropic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Where a provider's key and API base come from when an entry of `model_list` does not say.

    `keys`, `tokens` and `bases` are variables, tried in order; a token is shown as a bearer whatever the dialect.
    `base` is where a service is that needs a key; `local` where a server of one's own usually is, and it needs none.
    Both None: an entry, or a variable, must say it. `below` is what the routes stand below, put behind an address that
    lacks it. `routes` are those that it has, where they are few, and `lacks` those that it has not. `hints` stand
    before a model's name for LiteLLM alone. `counts` tells that a stream may be asked for its usage: Mistral refuses a
    request that has `stream_options`, and tells the usage unasked.
    """

    keys: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    base: str | None = None
    local: str | None = None
    below: str = ""
    dialect: Dialect = Dialect.OPENAI
    routes: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    counts: bool = True

    @property
    def needs_key(self) -> bool:
        """Whether nothing is to be had there without a key: a server of one's own may take none."""
        return self.base is not None or self.dialect is not Dialect.OPENAI


def _hosted(name: str, base: str) -> Provider:
    """A service whose variables are called after it, as most are."""
    return Provider(keys=(f"{name}_API_KEY",), bases=(f"{name}_API_BASE",), base=base)


def _own(name: str, local: str | None = None, below: str = "") -> Provider:
    """A server of one's own, with the same variables."""
    return Provider(keys=(f"{name}_API_KEY",), bases=(f"{name}_API_BASE",), local=local, below=below)


_OPENAI: Final = Provider(
    keys=("OPENAI_API_KEY",), bases=("OPENAI_BASE_URL", "OPENAI_API_BASE"), base=OPENAI_BASE, hints=("responses/",)
)
_AZURE: Final = Provider(
    keys=("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
    tokens=("AZURE_AD_TOKEN",),
    bases=("AZURE_API_BASE",),
    dialect=Dialect.AZURE,
    lacks=("/messages", "/rerank"),
    hints=("o_series/", "gpt5_series/", "responses/"),
)
_ANTHROPIC: Final = Provider(
    keys=("ANTHROPIC_API_KEY",),
    tokens=("ANTHROPIC_AUTH_TOKEN",),
    bases=("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
    base="https://api.anthropic.com",
    dialect=Dialect.ANTHROPIC,
    routes=("/messages", "/chat/completions"),
)
_OLLAMA: Final = _own("OLLAMA", "http://localhost:11434", "/v1")
_VECTORS: Final = ("/embeddings", "/rerank")

SERVED: Final[dict[str, Provider]] = {
    "openai": _OPENAI,
    "text-completion-openai": _OPENAI,
    "custom_openai": Provider(keys=_OPENAI.keys, bases=_OPENAI.bases),
    "openai_like": _own("OPENAI_LIKE"),
    "azure": _AZURE,
    "azure_text": _AZURE,
    "anthropic": _ANTHROPIC,
    # servers of one's own
    "hosted_vllm": _own("HOSTED_VLLM"),
    "infinity": Provider(keys=("INFINITY_API_KEY",), bases=("INFINITY_API_BASE",), routes=_VECTORS),
    "litellm_proxy": _own("LITELLM_PROXY"),
    "llamafile": _own("LLAMAFILE", "http://127.0.0.1:8080/v1"),
    "lm_studio": _own("LM_STUDIO"),
    "ollama": _OLLAMA,
    "ollama_chat": _OLLAMA,
    # services
    "cerebras": _hosted("CEREBRAS", "https://api.cerebras.ai/v1"),
    "codestral": Provider(
        keys=("CODESTRAL_API_KEY",),
        bases=("CODESTRAL_API_BASE",),
        base="https://codestral.mistral.ai/v1",
        counts=False,
    ),
    "cohere": Provider(
        keys=("COHERE_API_KEY", "CO_API_KEY"),
        bases=("COHERE_API_BASE",),
        base="https://api.cohere.com/v2",
        below="/v2",
        routes=("/rerank",),
    ),
    "deepinfra": _hosted("DEEPINFRA", "https://api.deepinfra.com/v1/openai"),
    "deepseek": _hosted("DEEPSEEK", "https://api.deepseek.com/beta"),
    "fireworks_ai": Provider(
        keys=("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN"),
        bases=("FIREWORKS_API_BASE",),
        base="https://api.fireworks.ai/inference/v1",
    ),
    "gemini": Provider(
        keys=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        bases=("GEMINI_API_BASE",),
        base="https://generativelanguage.googleapis.com/v1beta/openai",
        below="/openai",
    ),
    "github": _hosted("GITHUB", "https://models.inference.ai.azure.com"),
    "groq": _hosted("GROQ", "https://api.groq.com/openai/v1"),
    "hyperbolic": _hosted("HYPERBOLIC", "https://api.hyperbolic.xyz/v1"),
    "jina_ai": Provider(
        keys=("JINA_AI_API_KEY", "JINA_API_KEY", "JINA_AI_TOKEN"),
        bases=("JINA_AI_API_BASE",),
        base="https://api.jina.ai/v1",
        routes=_VECTORS,
    ),
    "lambda_ai": _hosted("LAMBDA", "https://api.lambda.ai/v1"),
    "meta_llama": _hosted("LLAMA", "https://api.llama.com/compat/v1"),
    "mistral": Provider(
        keys=("MISTRAL_AZURE_API_KEY", "MISTRAL_API_KEY"),
        bases=("MISTRAL_AZURE_API_BASE", "MISTRAL_API_BASE"),
        base="https://api.mistral.ai/v1",
        below="/v1",
        counts=False,
    ),
    "moonshot": _hosted("MOONSHOT", "https://api.moonshot.ai/v1"),
    "nebius": _hosted("NEBIUS", "https://api.studio.nebius.ai/v1"),
    "novita": _hosted("NOVITA", "https://api.novita.ai/v3/openai"),
    "nvidia_nim": _hosted("NVIDIA_NIM", "https://integrate.api.nvidia.com/v1"),
    "openrouter": Provider(
        keys=("OPENROUTER_API_KEY", "OR_API_KEY"), bases=("OPENROUTER_API_BASE",), base="https://openrouter.ai/api/v1"
    ),
    "perplexity": Provider(
        keys=("PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"),
        bases=("PERPLEXITY_API_BASE",),
        base="https://api.perplexity.ai",
    ),
    "sambanova": _hosted("SAMBANOVA", "https://api.sambanova.ai/v1"),
    "together_ai": Provider(
        keys=("TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_TOKEN"),
        bases=("TOGETHER_AI_API_BASE",),
        base="https://api.together.ai/v1",
    ),
    "volcengine": _hosted("VOLCENGINE", "https://ark.cn-beijing.volces.com/api/v3"),
    "voyage": Provider(
        keys=("VOYAGE_API_KEY", "VOYAGE_AI_API_KEY", "VOYAGE_AI_TOKEN"),
        bases=("VOYAGE_API_BASE",),
        base="https://api.voyageai.com/v1",
        routes=("/embeddings",),  # its /rerank speaks words of its own
    ),
    "xai": _hosted("XAI", "https://api.x.ai/v1"),
    "zai": _hosted("ZAI", "https://api.z.ai/api/paas/v4"),
}

_NOT_BUILT = """
    a2a a2a_agent ai21 ai21_chat aiml aiohttp_openai aleph_alpha amazon_nova anthropic_text anyscale apertis
    assemblyai auto_router aws_polly azure_ai baseten bedrock bedrock_mantle black_forest_labs bytez charity_engine
    chatgpt chutes clarifai cloudflare cohere_chat cometapi compactifai cursor custom darkbloom dashscope databricks
    datarobot deepgram docker_model_runner dotprompt elevenlabs empower fal_ai featherless_ai friendliai galadriel gdc
    gigachat github_copilot gradient_ai helicone heroku huggingface humanloop inception langflow langfuse langgraph
    lemonade libertai litellm_agent manus maritalk meta milvus minimax modelscope morph nano-gpt neosantara nlp_cloud
    nscale nvidia_riva oci oobabooga ovhcloud palm parasail petals pg_vector pinstripes poe predibase publicai ragflow
    recraft reducto replicate runwayml s3_vectors sagemaker sagemaker_chat sagemaker_nova sap scaleway snowflake soniox
    stability synthetic tencent tensormesh text-completion-codestral text-completion-inception topaz triton v0
    vercel_ai_gateway vertex_ai vertex_ai_beta vllm wandb watsonx watsonx_text xiaomi_mimo xinference
"""

KNOWN: Final = frozenset(SERVED) | frozenset(_NOT_BUILT.split())


def split_model(model: str, named: str | None, *, has_base: bool) -> tuple[str, str]:
    """LiteLLM's model string as (provider, the model's name there). `named` is the entry's `custom_llm_provider`.

    Without a known prefix it is OpenAI's, or that of a compatible server when the entry has an API base: then
    `meta-llama/Llama-3` is the whole name. An unknown prefix without one is given back as the provider.
    """
    prefix, slash, rest = model.partition("/")
    if named is not None:
        provider, name = named, rest if slash and prefix == named else model
    elif slash and (prefix in KNOWN or not has_base):
        provider, name = prefix, rest
    else:
        return "openai", model
    hints = SERVED[provider].hints if provider in SERVED else ()
    return provider, name.removeprefix(next((hint for hint in hints if name.startswith(hint)), ""))


def unserved(provider: str) -> str | None:
    """Why deployments of this provider cannot be served; None for those that can."""
    if provider in SERVED:
        return None
    if provider in KNOWN:
        return f"provider {provider} is not built yet"
    return f"provider {provider} is not known; for a server that speaks OpenAI's API, set api_base"


def without_route(provider: str, path: str) -> str | None:
    """Why the provider cannot serve the route at `path` below its API base; None where it can, as far as we know."""
    served = SERVED.get(provider)
    if served is None or path == "/models":
        return None
    if served.routes and not _among(path, served.routes):
        return f"provider {provider} serves {' and '.join(served.routes)} only, not {path[:100]}"
    if found := _among(path, served.lacks):
        return f"provider {provider} has no {found}"
    return None


def _among(path: str, routes: tuple[str, ...]) -> str | None:
    return next((route for route in routes if path == route or path.startswith(f"{route}/")), None)
