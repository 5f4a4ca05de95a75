"""Asking for messages, and what came back."""

from typing import Any

import orjson

from tests.e2e.asking import Answer, Client

PATHS = ("/v1/messages", "/messages", "/anthropic/v1/messages")
TOOL = {"name": "find_book", "input_schema": {"type": "object", "properties": {"title": {"type": "string"}}}}


async def ask(
    client: Client, text: str, path: str = PATHS[0], headers: dict[str, str] | None = None, **more: Any
) -> Answer:
    """`more` are members of the body."""
    asked = {"model": "toy", "max_tokens": 64, "messages": [{"role": "user", "content": text}], **more}
    return await client.send("POST", path, json=asked, headers=headers or {})


def told(answer: Answer) -> list[dict[str, Any]]:
    """The events of a stream."""
    return [orjson.loads(event) for event in answer.events]


def words(answer: Answer) -> str:
    """What a stream says, joined."""
    return "".join(event["delta"].get("text", "") for event in told(answer) if event["type"] == "content_block_delta")


def error(answer: Answer) -> dict[str, Any]:
    """An error of the proxy's own: Anthropic's shape, with what OpenAI's clients read beside it."""
    read = answer.json
    assert list(read) == ["type", "error"]
    assert read["type"] == "error"
    assert set(read["error"]) == {"type", "message", "param", "code"}
    assert read["error"]["message"]
    told: dict[str, Any] = read["error"]
    return told
