"""The request bodies: one chat of about 1.2 KB, as the OpenAI client sends it, plain and streamed."""

import json
from pathlib import Path

NUMBER = "@@N@@"  # the load script puts twelve digits here

_SYSTEM = (
    "You are the support assistant of an online bookshop. Answer in at most five sentences, in plain English. "
    "Quote order numbers exactly as the customer wrote them. If a policy is needed, name it and give its section. "
    "Never promise a refund: say that a colleague will look at it within two working days. "
    "A parcel that arrives incomplete is reported within fourteen days with the order number and the title. "
)
_TURNS = (
    ("system", _SYSTEM),
    ("user", "Hello, I ordered three paperbacks last Tuesday and only two of them came in the parcel today."),
    ("assistant", "I am sorry to hear that. Could you give me the order number, and the title that is missing?"),
    ("user", f"The order number is {NUMBER} and the missing one is the second volume of the atlas. When will it come?"),
)


def chat(*, stream: bool) -> bytes:
    body: dict[str, object] = {
        "model": "fake",
        "messages": [{"role": role, "content": content} for role, content in _TURNS],
        "temperature": 0.2,
        "top_p": 1,
        "max_tokens": 512,
        "seed": 42,
        "user": "tenant-17",
    }
    if stream:
        body["stream"] = True
    return json.dumps(body, separators=(",", ":")).encode()


def write(folder: Path) -> dict[bool, Path]:
    """The body files for the load script, by whether the answer is streamed."""
    files = {False: folder / "chat.json", True: folder / "chat-stream.json"}
    for stream, path in files.items():
        path.write_bytes(chat(stream=stream))
    return files
