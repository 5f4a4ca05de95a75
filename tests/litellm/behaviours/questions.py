"""A question on each cached route, and what an answer to it says."""

from collections.abc import Iterator
from typing import Any, Final

from tests.litellm.behaviours.proxies import Answer

TALKING: Final = ["chat", "text", "responses", "messages"]
ROUTES: Final = [*TALKING, "embeddings", "rerank"]
EMPTY: Final = {"id": "chatcmpl-none", "object": "chat.completion", "created": 1, "model": "toy", "choices": []}
"""A chat completion with nothing in it."""


def asked(route: str, text: str) -> tuple[str, dict[str, Any]]:
    """Path and body of a question on a route."""
    said = [{"role": "user", "content": text}]
    return {
        "chat": ("/v1/chat/completions", {"model": "toy", "messages": said}),
        "text": ("/v1/completions", {"model": "toy-text", "prompt": text}),
        "embeddings": ("/v1/embeddings", {"model": "toy-embedding", "input": text}),
        "rerank": ("/v1/rerank", {"model": "toy-rerank", "query": text, "documents": ["one " + text, "two"]}),
        "responses": ("/v1/responses", {"model": "toy", "input": text}),
        "messages": ("/v1/messages", {"model": "claude", "messages": said, "max_tokens": 100}),
    }[route]


def words(route: str, answer: Answer) -> str:
    """The text of an answer of a route that talks, whole or streamed."""
    streamed = answer.headers["Content-Type"].startswith("text/event-stream")
    return "".join(_streamed(route, answer.events) if streamed else _whole(route, answer.json))


def _whole(route: str, read: dict[str, Any]) -> list[str]:
    match route:
        case "chat":
            return [choice["message"]["content"] or "" for choice in read["choices"]]
        case "text":
            return [choice["text"] for choice in read["choices"]]
        case "responses":
            return [part["text"] for item in read["output"] for part in item["content"]]
        case _:
            return [block["text"] for block in read["content"]]


def _streamed(route: str, events: list[dict[str, Any]]) -> Iterator[str]:
    match route:
        case "chat":
            yield from (choice["delta"].get("content") or "" for event in events for choice in event["choices"])
        case "text":
            yield from (choice.get("text") or "" for event in events for choice in event["choices"])
        case "responses":
            yield from (event["delta"] for event in events if event["type"] == "response.output_text.delta")
        case _:
            yield from (event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")
