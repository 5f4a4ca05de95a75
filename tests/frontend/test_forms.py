"""The model that a form names, read from its first bytes however they arrive, and its name changed in them."""

import random

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce.frontend.forms import FirstFields, first_fields

FORM = "multipart/form-data; boundary=B"
PART = b'--B\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
PURPOSE, MODEL, FILE = (
    PART % (b"purpose", b"", b"--B says nothing here"),
    PART % (b"model", b"", b"dalle"),
    PART % (b"file", b'; filename="model"', b"\x00\xff" * 50_000),
)
END = b"--B--\r\n"


def read(content_type: str, *chunks: bytes) -> FirstFields:
    form = first_fields(content_type)
    assert form is not None
    for chunk in chunks:
        if not form.feed(chunk):
            break
    return form


@given(st.randoms(use_true_random=False), st.integers(0, 3))
def test_a_model_before_the_file_is_found_however_the_form_arrives(rng: random.Random, others: int) -> None:
    data = PURPOSE * others + MODEL + FILE + END
    cuts = sorted(rng.sample(range(len(data)), rng.randint(0, 30)))
    form = read(FORM, *(data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)))
    assert form.model == "dalle"
    assert bytes(form.head) == data[: len(form.head)]
    renamed = form.renamed("dall-e-3") + data[len(form.head) :]
    assert renamed == PURPOSE * others + MODEL.replace(b"dalle", b"dall-e-3") + FILE + END


async def test_a_form_as_a_client_writes_it_is_read() -> None:
    data = aiohttp.FormData({"model": "whisper", "temperature": "0"})
    data.add_field("file", b"sound", filename="a.wav")
    payload = data()
    form = read(str(payload.headers["Content-Type"]), await payload.as_bytes())
    assert form.model == "whisper"


def test_what_follows_a_file_is_not_waited_for() -> None:
    form = first_fields(FORM)
    assert form is not None
    assert form.feed(PURPOSE)
    assert not form.feed(FILE[:100]), "the file has begun"
    assert form.model is None
    assert form.renamed("other") == PURPOSE + FILE[:100]


def test_no_more_than_the_first_bytes_are_looked_at() -> None:
    form = first_fields(FORM)
    assert form is not None
    fed = 0
    while form.feed(b"a" * 1024):
        fed += 1024
    assert fed == 63 * 1024


@pytest.mark.parametrize(
    "content_type",
    [
        *("", "é", "multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary="é"'),
        *("application/json; boundary=B", "multipart/mixed; boundary=B"),
    ],
)
def test_what_is_no_form_is_not_looked_at(content_type: str) -> None:
    assert first_fields(content_type) is None


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\r\n" * 100, b"--B--\r\n", b"--B\r\n\r\nvalue\r\n--B--", PART % (b"model", b"", b"\xff"),
        b'--B\r\nContent-Disposition: form-data; filename="a"; name="model"\r\n\r\nx\r\n--B--',
        b'--B\r\nContent-Disposition: form-data; filename*=UTF-8\'\'a; name="model"\r\n\r\nx\r\n--B--',
        b'--B\r\nContent-Disposition: form-data; name="models"\r\n\r\nx\r\n--B--', MODEL[:-2], MODEL[:60],
    ],
)  # fmt: skip
def test_a_form_without_a_models_name_has_none(data: bytes) -> None:
    form = read(FORM, data)
    assert form.model is None
    assert bytes(form.head) == data


@pytest.mark.parametrize(
    "field", [b"form-data; name=model", b'form-data; charset="x"; name="model"', b'FORM-DATA;name="model"']
)
def test_a_disposition_may_be_written_otherwise(field: bytes) -> None:
    data = b"--B\r\nX-Other: 1\r\ncontent-disposition: " + field + b"\r\nContent-Type: text/plain\r\n\r\ngpt\r\n--B--"
    assert read(FORM, data).model == "gpt"


@given(st.binary(max_size=300))
def test_whatever_comes_it_comes_out_again(data: bytes) -> None:
    form = read(FORM, data[:7], data[7:])
    assert form.renamed("x") in {data, data[:7]} or form.model is not None
