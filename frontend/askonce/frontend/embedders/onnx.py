"""Vectors from a transformer in this process, such as MiniLM, run by onnxruntime.

Imports an extra (`local-embedder`), and so only where a local model is wanted.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from askonce.core.errors import EmbedderUnavailable
from askonce.frontend.embedders.local import Numbers, Tokens, packed, read_json, space
from askonce.frontend.embedders.protocol import Unusable

_THREADS: Final = 2  # texts at once; onnxruntime lets go of the interpreter while it computes
_LONGEST: Final = 256  # tokens, where the folder does not say: what MiniLM was made for
_POOLING: Final = "1_Pooling/config.json"  # these two as sentence-transformers writes them
_LIMITS: Final = "sentence_bert_config.json"
_KNOWN: Final = frozenset({"input_ids", "attention_mask", "token_type_ids"})


class Onnx:
    """`name` is part of the space. A text of more than `longest` tokens is not taken; None is as the folder says.

    Each text is computed by itself: what it is computed together with must not change its vector, as it does in models
    whose numbers are quantized on the way, and a short text need not wait for a long one. Raises Unusable.
    """

    texts: Final = 1
    calls: Final = _THREADS

    def __init__(self, name: str, model: Path, tokenizer: Path, longest: int | None = None) -> None:
        pooling = model.parent / _POOLING
        self.space: Final = space(name, [model, tokenizer, *([pooling] if pooling.exists() else [])])
        self._tokens = Tokens(tokenizer, special=True)
        self._longest = _most_tokens(model.parent, self._tokens) if longest is None else longest
        self._first_only = pooling.exists() and _takes_first(pooling)
        self._session = _session(model)
        self._inputs = {one.name for one in self._session.get_inputs()}
        if not self._inputs <= _KNOWN:
            raise Unusable(f"{model.name} takes other inputs than {', '.join(sorted(_KNOWN))}")
        try:
            tried = self._vector("a word")
        except (EmbedderUnavailable, IndexError) as error:
            raise Unusable(f"{model.name} gives no vectors of words ({error})") from None
        if tried is None:
            raise Unusable(f"{tokenizer.name} knows no words")
        self._pool = ThreadPoolExecutor(_THREADS, "embedding")

    async def embed(self, texts: Sequence[str]) -> list[bytes | None]:
        loop = asyncio.get_running_loop()
        return [await loop.run_in_executor(self._pool, self._vector, text) for text in texts]

    def _vector(self, text: str) -> bytes | None:
        tokens = self._tokens.read(text)
        if tokens is None or len(tokens) > self._longest:
            return None
        ids = np.array([tokens], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        try:
            output = self._session.run(None, {name: given[name] for name in self._inputs})[0]
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no root of their own
            raise EmbedderUnavailable(f"onnxruntime: {type(error).__name__}") from None
        return packed(self._pooled(output))

    def _pooled(self, output: npt.NDArray[Any]) -> Numbers:
        """One vector of the vectors of all tokens; a model that ends in one vector has done it itself."""
        one = output[0]
        if one.ndim == 1:
            return np.asarray(one, np.float32)
        return np.asarray(one[0] if self._first_only else one.mean(axis=0), np.float32)

    async def close(self) -> None:
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)


def _most_tokens(folder: Path, tokens: Tokens) -> int:
    limits = folder / _LIMITS
    most = read_json(limits).get("max_seq_length") if limits.exists() else tokens.longest
    return most if isinstance(most, int) else _LONGEST


def _takes_first(pooling: Path) -> bool:
    """Whether the first token's vector stands for the text, and not the mean of all. Raises Unusable."""
    modes = {mode for mode, on in read_json(pooling).items() if mode.startswith("pooling_mode_") and on is True}
    if not modes <= {"pooling_mode_mean_tokens"} and modes != {"pooling_mode_cls_token"}:
        raise Unusable(f"{_POOLING} is neither of the mean of all tokens nor of the first")
    return "pooling_mode_cls_token" in modes


def _session(model: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the other cores belong to other frontends
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no root of their own
        raise Unusable(f"{model.name} cannot be loaded by onnxruntime ({type(error).__name__})") from None
