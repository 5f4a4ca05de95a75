"""LiteLLM's provider prefixes: which are served, and from where. Knows names and variables; knows no wire format.

Source of the names: the provider list of LiteLLM 1.109 (`litellm/types/utils.py`).
"""

from dataclasses import dataclass
from typing import Final

OPENAI_BASE: Final = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider's key and API base come from when an entry of `model_list` does not say.

    Variables are tried in order. `base` is None where an entry must say it.
    """

    keys: tuple[str, ...]
    bases: tuple[str, ...]
    base: str | None = None


_OPENAI = Provider(("OPENAI_API_KEY",), ("OPENAI_BASE_URL", "OPENAI_API_BASE"), OPENAI_BASE)

SERVED: Final = {
    "openai": _OPENAI,
    "text-completion-openai": _OPENAI,
    "hosted_vllm": Provider(("HOSTED_VLLM_API_KEY",), ("HOSTED_VLLM_API_BASE",)),
}

_NOT_BUILT = """
    a2a a2a_agent ai21 ai21_chat aiml aiohttp_openai aleph_alpha amazon_nova anthropic anthropic_text anyscale apertis
    assemblyai auto_router aws_polly azure azure_ai azure_text baseten bedrock bedrock_mantle black_forest_labs bytez
    cerebras charity_engine chatgpt chutes clarifai cloudflare codestral cohere cohere_chat cometapi compactifai cursor
    custom custom_openai darkbloom dashscope databricks datarobot deepgram deepinfra deepseek docker_model_runner
    dotprompt elevenlabs empower fal_ai featherless_ai fireworks_ai friendliai galadriel gdc gemini gigachat github
    github_copilot gradient_ai groq helicone heroku huggingface humanloop hyperbolic inception infinity jina_ai
    lambda_ai langflow langfuse langgraph lemonade libertai litellm_agent litellm_proxy llamafile lm_studio manus
    maritalk meta meta_llama milvus minimax mistral modelscope moonshot morph nano-gpt nebius neosantara nlp_cloud
    novita nscale nvidia_nim nvidia_riva oci ollama ollama_chat oobabooga openai_like openrouter ovhcloud palm parasail
    perplexity petals pg_vector pinstripes poe predibase publicai ragflow recraft reducto replicate runwayml s3_vectors
    sagemaker sagemaker_chat sagemaker_nova sambanova sap scaleway snowflake soniox stability synthetic tencent
    tensormesh text-completion-codestral text-completion-inception together_ai topaz triton v0 vercel_ai_gateway
    vertex_ai vertex_ai_beta vllm volcengine voyage wandb watsonx watsonx_text xai xiaomi_mimo xinference zai
"""

KNOWN: Final = frozenset(SERVED) | frozenset(_NOT_BUILT.split())


def split_model(model: str, named: str | None, *, has_base: bool) -> tuple[str, str]:
    """LiteLLM's model string as (provider, the model's name there). `named` is the entry's `custom_llm_provider`.

    Without a known prefix it is OpenAI's, or that of a compatible server when the entry has an API base: then
    `meta-llama/Llama-3` is the whole name. An unknown prefix without one is given back as the provider.
    """
    prefix, slash, rest = model.partition("/")
    if named is not None:
        return named, rest if slash and prefix == named else model
    if slash and (prefix in KNOWN or not has_base):
        return prefix, rest
    return "openai", model


def unserved(provider: str) -> str | None:
    """Why deployments of this provider cannot be served; None for those that can."""
    if provider in SERVED:
        return None
    if provider in KNOWN:
        return f"provider {provider} is not built yet"
    return f"provider {provider} is not known; for a server that speaks OpenAI's API, set api_base"
