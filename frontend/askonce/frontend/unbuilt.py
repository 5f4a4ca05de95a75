"""What is said to who asks for a route that is not there. Looks at names only, and repeats no key."""

import re
from typing import Final

from askonce.config.surface.table import unbuilt

_LONGEST: Final = 200  # characters of a path
# LiteLLM's routes with a key in their address, and what looks like a key wherever it stands.
_KEY: Final = re.compile(r"(?<=^/key/).+(?=/(?:regenerate|reset_spend)$)|sk-[^/]*")


def told(method: str, path: str) -> str:
    shown = _KEY.sub("{key}", path)[:_LONGEST]
    if (method, shown) == ("POST", "/key/{key}/regenerate"):
        return 'Use POST /key/regenerate with {"key": …}.'
    if unbuilt(method, shown):
        return f"{method} {shown} is LiteLLM's and is not built yet: see docs/litellm.md."
    return f"Invalid URL ({method} {shown})"  # the words of OpenAI's API
