import orjson
import pytest
from openai.types import Completion

from askonce.calls.endpoint import Answer, Malformed
from askonce.calls.text import TEXT
from askonce.core.entry import JSON, Usage
from askonce.core.errors import RequestError
from askonce.core.sse import SseParser


@pytest.mark.parametrize("prompt", ["", "hi", ["a", "b"], [1, 2], [[1], [2]]])
def test_prompts(prompt):
    TEXT.check({"model": "m", "prompt": prompt})


@pytest.mark.parametrize("prompt", [None, 1, {}, [], True])
def test_a_prompt_that_is_none_is_refused(prompt):
    with pytest.raises(RequestError) as caught:
        TEXT.check({"model": "m", "prompt": prompt})
    assert caught.value.param == "prompt"


@pytest.mark.parametrize(
    ("choices", "kept"),
    [
        ([{"text": "hi", "finish_reason": "stop"}], True),
        ([{"text": "", "finish_reason": "stop"}, {"text": "x", "finish_reason": "stop"}], True),
        ([{"text": "", "finish_reason": "content_filter"}], True),
        ([{"text": "", "finish_reason": "stop"}], False),
        ([], False),
    ],
)
def test_what_is_kept(choices, kept):
    payload = orjson.dumps({"choices": choices})
    assert TEXT.answers({}, payload, JSON) == ([Answer(payload, JSON, Usage())] if kept else [])


@pytest.mark.parametrize("choices", [None, "x", [{}], [{"text": None}], [{"message": {"content": "hi"}}]])
def test_malformed(choices):
    with pytest.raises(Malformed):
        TEXT.answers({}, orjson.dumps({"choices": choices}), JSON)


def test_frames_are_completions_as_openais_library_knows_them():
    choice = {"text": "hi", "index": 0, "logprobs": None, "finish_reason": "stop"}
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1700000000, "model": "m"}
    stream = TEXT.frames(Answer(orjson.dumps({**head, "choices": [choice]}), JSON, Usage()), {})
    first, last, done = [event.data for event in SseParser().feed(stream)]
    assert Completion.model_validate_json(last, strict=True).choices[0].finish_reason == "stop"
    # What OpenAI sends before the last chunk, its library's own type does not allow: a finish_reason of null.
    piece = orjson.loads(first)["choices"][0]
    assert piece == {"text": "hi", "index": 0, "logprobs": None, "finish_reason": None}
    assert (orjson.loads(last)["choices"][0]["text"], done) == ("", b"[DONE]")
