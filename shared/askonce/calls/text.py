"""Text completions: what a choice is made of, whole and in pieces. Source: OpenAI's API reference, "Completions"."""

from typing import Final

from askonce.calls.chunked import Chunked, Form
from askonce.calls.compared import beyond_words
from askonce.calls.deltas import extended, members, text
from askonce.calls.endpoint import Body, Compared, Malformed
from askonce.core.errors import bad_request

_LOGPROBS = members({"tokens": extended, "token_logprobs": extended, "top_logprobs": extended, "text_offset": extended})
_CHOICE = members({"text": text, "logprobs": _LOGPROBS})


def _check(body: Body) -> None:
    prompt = body.get("prompt")
    if not isinstance(prompt, str | list) or prompt == []:
        raise bad_request("prompt must be a text or a list", "prompt")


def _compared(body: Body) -> Compared | None:
    """The prompt, where it is one text."""
    prompt = body["prompt"]
    if not isinstance(prompt, str) or not prompt.strip() or beyond_words(body):
        return None
    return Compared(prompt, {name: value for name, value in body.items() if name != "prompt"})


def _speaks(choice: Body) -> bool:
    said = choice.get("text")
    if not isinstance(said, str):
        raise Malformed("a choice without a text")
    return said != ""


def _pieces(choice: Body) -> list[Body]:
    """The text with its logprobs, then the finish_reason and all else."""
    beginning: Body = {name: choice[name] for name in ("text", "index", "logprobs") if name in choice}
    if "finish_reason" in choice:
        beginning["finish_reason"] = None
    ending = {**choice, "text": ""}
    if "logprobs" in choice:
        ending["logprobs"] = None
    return [beginning, ending]


TEXT: Final = Chunked(
    name="text_completion",
    path="/completions",
    form=Form(
        whole="text_completion",
        chunk="text_completion",
        check=_check,
        fold=_CHOICE,
        pieces=_pieces,
        speaks=_speaks,
        compared=_compared,
    ),
)
