"""What of a request is compared by meaning, and which requests only their exact key answers."""

import pytest

from askonce.calls.chat import CHAT
from askonce.calls.embeddings import EMBEDDINGS
from askonce.calls.text import TEXT
from askonce.calls.transcription import TRANSCRIPTION


def user(content, **more):
    return {"role": "user", "content": content, **more}


def body(*messages, **more):
    return {"model": "m", "messages": list(messages), **more}


SYSTEM = {"role": "system", "content": "Be brief."}
ASSISTANT = {"role": "assistant", "content": "Of course."}


def test_the_last_user_text_is_compared_and_the_rest_stays():
    compared = CHAT.compared(body(SYSTEM, user("first"), ASSISTANT, user("second", name="ann"), temperature=0.5))
    assert compared.text == "second"
    assert compared.rest == body(SYSTEM, user("first"), ASSISTANT, user(None, name="ann"), temperature=0.5)


def test_what_follows_the_last_user_message_is_a_filter():
    compared = CHAT.compared(body(user("question"), {"role": "assistant", "content": "It begins"}))
    assert compared.rest == body(user(None), {"role": "assistant", "content": "It begins"})


def test_a_text_means_the_same_in_parts():
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert CHAT.compared(body(user(parts))) == CHAT.compared(body(user("one\ntwo")))


def test_the_body_is_left_as_it_was():
    asked = body(SYSTEM, user("question"))
    CHAT.compared(asked)
    assert asked == body(SYSTEM, user("question"))


@pytest.mark.parametrize(
    "more",
    [
        {"tools": []},
        {"tools": None, "tool_choice": "auto"},
        {"functions": [], "function_call": "none"},
        {"modalities": ["text"]},
        {"audio": None},
    ],
)
def test_tools_that_are_none_are_no_tools(more):
    assert CHAT.compared(body(user("question"), **more)).text == "question"


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"functions": [{"name": "f"}]},
        {"tool_choice": "required"},
        {"function_call": {"name": "f"}},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "alloy", "format": "wav"}},
        {"web_search_options": {"search_context_size": "low"}},
        {"web_search_options": {}},
        {"prompt_logprobs": 0},
        {"return_token_ids": True},
        {"echo": True},
    ],
)
def test_with_tools_or_audio_only_the_exact_key_answers(more):
    assert CHAT.compared(body(user("question"), **more)) is None


@pytest.mark.parametrize(
    "message",
    [
        user([{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "data:,"}}]),
        user([{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]),
        user([{"type": "file", "file": {"file_id": "f"}}]),
        user([{"type": "text", "text": "kept", "cache_control": {"type": "ephemeral"}}]),
        user([]),
        user(None),
        user(7),
        user(["text"]),
        user([{"type": "text", "text": 7}]),
        user([{"type": "input_text", "text": "of another kind"}]),
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "assistant", "content": "said", "tool_calls": [{"id": "1"}]},
        {"role": "assistant", "content": "said", "audio": {"id": "a"}},
        {"role": "tool", "content": "result", "tool_call_id": "1"},
        {"role": "function", "content": "result", "name": "f"},
        {"role": ["user"], "content": "x"},
        {"content": "nobody's"},
    ],
)
def test_one_message_of_another_kind_leaves_it_to_the_exact_key(message):
    assert CHAT.compared(body(message, user("question"))) is None


@pytest.mark.parametrize("messages", [[SYSTEM], [user("")], [user("  \n")], [ASSISTANT]])
def test_without_a_question_there_is_nothing_to_compare(messages):
    assert CHAT.compared(body(*messages)) is None


def test_a_prompt_is_compared_when_it_is_one_text():
    compared = TEXT.compared({"model": "m", "prompt": "Say this", "suffix": "!"})
    assert (compared.text, compared.rest) == ("Say this", {"model": "m", "suffix": "!"})


@pytest.mark.parametrize("prompt", [["one", "two"], ["one"], [1, 2, 3], [[1], [2]], "", " "])
def test_other_prompts_are_left_to_the_exact_key(prompt):
    assert TEXT.compared({"model": "m", "prompt": prompt}) is None


def test_a_prompt_that_comes_back_in_its_answer_is_left_to_the_exact_key():
    assert TEXT.compared({"model": "m", "prompt": "Say this", "echo": True}) is None
    assert TEXT.compared({"model": "m", "prompt": "Say this", "echo": False}) is not None


@pytest.mark.parametrize("endpoint", [EMBEDDINGS, TRANSCRIPTION])
def test_other_routes_compare_nothing(endpoint):
    assert not endpoint.comparable
    assert endpoint.compared({"model": "m", "input": "text", "file": "0" * 64}) is None
