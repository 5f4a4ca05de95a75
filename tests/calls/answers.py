"""Answers of every documented shape, and extras at every level; and their streams, cut finer than any provider does.

The streams are written here without a look at the code under test: one chunk says one thing about one choice.
"""

import orjson
from hypothesis import settings
from hypothesis import strategies as st

quick = settings(max_examples=60, deadline=None)

scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-2, 2) | st.text('ab é\n"', max_size=4)
extras = st.dictionaries(
    st.sampled_from(["x_one", "x_two", "provider_specific_fields", "citations", "stop_reason"]),
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("kl", max_size=2), inner, max_size=2),
        max_leaves=4,
    ),
    max_size=2,
)
prose = st.text('abc é\n"\U0001f600', max_size=12)
maybe_prose = st.none() | prose


def optional(**members):
    return st.fixed_dictionaries({}, optional=members)


def extended(required, **members):
    """Objects with these members, those that may be missing, and some that nobody has heard of."""
    return st.builds(lambda extra, one: {**extra, **one}, extras, st.fixed_dictionaries(required, optional=members))


scores = extended(
    {"token": prose, "logprob": st.floats(-9, 0)},
    bytes=st.none() | st.lists(st.integers(0, 255), max_size=2),
    top_logprobs=st.lists(st.fixed_dictionaries({"token": prose, "logprob": st.floats(-9, 0)}), max_size=2),
)
score_lists = st.none() | st.lists(scores, max_size=3)
chat_logprobs = st.none() | optional(content=score_lists, refusal=score_lists)

functions = extended({"name": prose, "arguments": prose})
tool_calls = st.lists(
    extended({"id": prose, "type": st.just("function"), "function": functions})
    | extended({"id": prose, "type": st.just("custom"), "custom": extended({"name": prose, "input": prose})}),
    max_size=3,
)
annotations = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.just("url_citation"),
            "url_citation": st.fixed_dictionaries({"url": prose, "title": prose, "start_index": st.integers(0, 9)}),
        }
    ),
    max_size=2,
)
messages = extended(
    {"role": st.just("assistant"), "content": maybe_prose},
    refusal=maybe_prose,
    annotations=annotations,
    tool_calls=st.none() | tool_calls,
    function_call=st.none() | functions,
    reasoning_content=maybe_prose,
    reasoning=maybe_prose,
    thinking_blocks=st.lists(
        extended({"type": st.just("thinking"), "thinking": prose, "signature": prose}), max_size=2
    ),
    reasoning_details=st.lists(
        extended({"type": st.just("reasoning.text"), "text": prose, "format": prose}), max_size=2
    ),
    audio=st.none()
    | extended(
        {
            "id": prose,
            "data": st.sampled_from(["", "AAEC", "AAECAw==", "AAECAwQ="]),
            "transcript": prose,
            "expires_at": st.integers(1, 9),
        }
    ),
)
reasons = st.sampled_from(["stop", "length", "tool_calls", "content_filter", "function_call"])
details = st.dictionaries(st.sampled_from(["cached_tokens", "audio_tokens", "reasoning_tokens"]), st.integers(0, 9))
usages = extended(
    {
        "prompt_tokens": st.integers(0, 999),
        "completion_tokens": st.integers(0, 999),
        "total_tokens": st.integers(0, 1998),
    },
    prompt_tokens_details=st.none() | details,
    completion_tokens_details=st.none() | details,
)


def _numbered(choices):
    return [{"index": position, **choice} for position, choice in enumerate(choices)]


def _answers(kind, choices):
    return extended(
        {
            "id": prose,
            "object": st.just(kind),
            "created": st.integers(0, 2**31),
            "model": prose,
            "choices": st.lists(choices, min_size=1, max_size=3).map(_numbered),
            "usage": usages,
        },
        system_fingerprint=maybe_prose,
        service_tier=st.none() | st.just("default"),
    )


def _says(choice):
    """Told here once more: a message with anything in it, or one that the provider's filter emptied."""
    message = choice.get("message", choice)
    return choice["finish_reason"] == "content_filter" or any(message.get(name) for name in SAYING)


SAYING = (
    "content",
    "refusal",
    "tool_calls",
    "function_call",
    "reasoning_content",
    "reasoning",
    "reasoning_details",
    "thinking_blocks",
    "audio",
    "text",
)

chat_choices = extended({"message": messages, "finish_reason": reasons}, logprobs=chat_logprobs)
chat_answers = _answers("chat.completion", chat_choices).filter(lambda answer: any(map(_says, answer["choices"])))

text_logprobs = st.none() | optional(
    tokens=st.lists(prose, max_size=3),
    token_logprobs=st.lists(st.none() | st.floats(-9, 0), max_size=3),
    top_logprobs=st.none() | st.lists(st.none() | st.dictionaries(prose, st.floats(-9, 0), max_size=2), max_size=3),
    text_offset=st.lists(st.integers(0, 99), max_size=3),
)
text_choices = extended({"text": prose, "finish_reason": reasons}, logprobs=text_logprobs)
text_answers = _answers("text_completion", text_choices).filter(lambda answer: any(map(_says, answer["choices"])))


def sse(*chunks, done=True):
    written = b"".join(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks)
    return written + b"data: [DONE]\n\n" * done


def letters(text):
    """A text as its letters; nothing and nought are said as they are."""
    return list(text) if text else [text]


def message_deltas(message):
    for name, value in message.items():
        if name in {"content", "refusal", "reasoning", "reasoning_content"}:
            yield from ({name: letter} for letter in letters(value))
        elif name == "tool_calls" and value:
            yield from ({name: [delta]} for position, call in enumerate(value) for delta in call_deltas(position, call))
        elif name == "function_call" and value:
            yield {name: {**value, "arguments": ""}}
            yield from ({name: {"arguments": letter}} for letter in value["arguments"])
        elif name == "audio" and value:
            yield {name: {**value, "transcript": "", "data": value["data"][:4]}}
            yield {name: {"data": value["data"][4:]}}
            yield from ({name: {"transcript": letter}} for letter in value["transcript"])
        else:
            yield {name: value}


def call_deltas(position, call):
    kind, said = ("function", "arguments") if "function" in call else ("custom", "input")
    yield {"index": position, **call, kind: {**call[kind], said: ""}}
    yield from ({"index": position, kind: {said: letter}} for letter in call[kind][said])


def logprob_pieces(logprobs, lists):
    """One token's scores at a time; what is null or empty is said so once."""
    yield {name: None if value is None else [] for name, value in logprobs.items()}
    for name in lists:
        yield from ({name: [score]} for score in logprobs.get(name) or ())


def chat_pieces(choice):
    rest = {name: value for name, value in choice.items() if name not in {"index", "message", "logprobs"}}
    for delta in message_deltas(choice["message"]):
        yield {"delta": delta, "finish_reason": None}
    if choice.get("logprobs") is not None:
        for piece in logprob_pieces(choice["logprobs"], ("content", "refusal")):
            yield {"delta": {}, "logprobs": piece}
    elif "logprobs" in choice:
        yield {"delta": {}, "logprobs": None}
    yield {"delta": {}, **rest}


def text_pieces(choice):
    rest = {name: value for name, value in choice.items() if name not in {"index", "text", "logprobs"}}
    for letter in letters(choice["text"]):
        yield {"text": letter, "finish_reason": None}
    if choice.get("logprobs") is not None:
        for piece in logprob_pieces(choice["logprobs"], ("tokens", "token_logprobs", "top_logprobs", "text_offset")):
            yield {"text": "", "logprobs": piece}
    elif "logprobs" in choice:
        yield {"text": "", "logprobs": None}
    yield {"text": "", **rest}


def streamed(answer, chunk_object, pieces, order):
    """The chunks of an answer, its choices taking turns as `order` (a list of numbers) says."""
    beside = {name: value for name, value in answer.items() if name not in {"choices", "usage"}}
    head = {name: beside[name] for name in ("id", "created", "model")} | {"object": chunk_object}
    turns = [(choice["index"], list(pieces(choice))) for choice in answer["choices"]]
    yield {**beside, **head, "choices": [], "usage": None}
    number = 0
    while any(left for _, left in turns):
        open_turns = [turn for turn in turns if turn[1]]
        index, left = open_turns[order[number % len(order)] % len(open_turns)]
        yield {**head, "choices": [{"index": index, **left.pop(0)}], "usage": None, "obfuscation": "x" * (number % 7)}
        number += 1
    yield {**head, "choices": [], "usage": answer["usage"]}
