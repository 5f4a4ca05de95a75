"""What the cases of every Python client have in common: where the proxy is, how often the provider was asked, and what
the proxy says of itself. It is imported by the client's own environment and imports the standard library only.
"""

import json
import os
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

URL = os.environ["ASKONCE_URL"]
TOY = os.environ["TOY_URL"]
KEY = "sk-of-the-client"


def calls() -> int:
    """How often the provider has been asked, by anybody."""
    with urllib.request.urlopen(f"{TOY}/toy/calls", timeout=30) as answer:
        return int(json.load(answer)["total"])


@contextmanager
def asks(times: int) -> Iterator[None]:
    """What is done meanwhile makes so many calls of the provider."""
    before = calls()
    yield
    made = calls() - before
    assert made == times, f"{made} calls of the provider, not {times}"


def twice(ask: Callable[[], Any]) -> tuple[Any, Any]:
    """The answers to one question asked twice, which the provider was asked once."""
    with asks(1):
        first = ask()
    with asks(0):
        second = ask()
    return first, second


def hit(headers: Mapping[str, str]) -> bool:
    """What the proxy says of itself: its two signs of a hit stand together, or neither does."""
    found = "askonce; hit" in headers["cache-status"]
    assert found == ("x-litellm-cache-key" in headers), dict(headers)
    return found
