"""A model provider that costs next to nothing: canned chat answers straight from a uvloop protocol.

`python -m benchmarks.mock PORT`. Answers POSTs to …/chat/completions, as JSON or as an SSE stream, and GET /calls with
how many there were. It knows just enough HTTP for the clients measured here.
"""

import asyncio
import json
import signal
import sys
from typing import cast

import uvloop

_SENTENCE = (
    "A cache in front of a language model keeps the answer of an earlier, identical request and returns it without "
    "asking the model again. The key has to cover everything that can change the answer. "
)
TEXT = _SENTENCE * 6
_USAGE = {"prompt_tokens": 250, "completion_tokens": 220, "total_tokens": 470}
_SAME = {"id": "chatcmpl-mock0001", "created": 1767225600, "model": "fake", "system_fingerprint": "fp_mock"}
_EVENTS = 24


def chat_answer() -> bytes:
    message = {"role": "assistant", "content": TEXT, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _json({**_SAME, "object": "chat.completion", "choices": [choice], "usage": _USAGE})


def chat_events(*, usage: bool) -> bytes:
    words = TEXT.split(" ")
    size = len(words) // _EVENTS + 1
    pieces = [" ".join(words[at : at + size]) + " " for at in range(0, len(words), size)]
    deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": piece}, None) for piece in pieces]
    deltas += [({}, "stop")]
    chunks: list[dict[str, object]] = [
        {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": end}]} for delta, end in deltas
    ]
    if usage:
        chunks = [{**chunk, "usage": None} for chunk in chunks] + [{"choices": [], "usage": _USAGE}]
    events = [_json({**_SAME, "object": "chat.completion.chunk", **chunk}) for chunk in chunks]
    return b"".join(b"data: " + event + b"\n\n" for event in [*events, b"[DONE]"])


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _plain(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


def _streamed(events: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = [event + b"\n\n" for event in events.split(b"\n\n") if event]
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


class Provider:
    """The canned answers and the count of calls, shared by all connections."""

    def __init__(self) -> None:
        self._chat = _plain(chat_answer())
        self._stream = _streamed(chat_events(usage=False))
        self._stream_with_usage = _streamed(chat_events(usage=True))
        self._calls = 0

    def answer(self, line: bytes, body: bytes) -> bytes:
        if b"/chat/completions" in line:
            self._calls += 1
            squeezed = body.replace(b" ", b"")
            if b'"stream":true' not in squeezed:
                return self._chat
            return self._stream_with_usage if b'"include_usage":true' in squeezed else self._stream
        if b"/calls" in line:
            return _plain(_json({"calls": self._calls}))
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class Connection(asyncio.Protocol):
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class derives from neither

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            found = _body(head, self._buffer, end + 4)
            if found is None:
                return
            body, after = found
            self._buffer = self._buffer[after:]
            self._transport.write(self._provider.answer(head.partition(b"\r\n")[0], body))


def _body(head: bytes, data: bytes, start: int) -> tuple[bytes, int] | None:
    """The request's body and where it ends, or None while it is not all there."""
    _, found, rest = head.partition(b"\r\ncontent-length:")
    if found:
        end = start + int(rest.partition(b"\r\n")[0])
        return (data[start:end], end) if len(data) >= end else None
    return _chunked(data, start) if b"transfer-encoding: chunked" in head else (b"", start)


def _chunked(data: bytes, at: int) -> tuple[bytes, int] | None:
    body = b""
    while True:
        line = data.find(b"\r\n", at)
        if line < 0:
            return None
        size = int(data[at:line], 16)
        at = line + 2 + size + 2
        if len(data) < at:
            return None
        if size == 0:
            return body, at
        body += data[line + 2 : at - 2]


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    provider = Provider()
    server = await loop.create_server(lambda: Connection(provider), "127.0.0.1", port, backlog=2048)
    async with server:
        await stop.wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
