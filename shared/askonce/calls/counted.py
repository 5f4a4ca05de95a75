"""What an answer says of its tokens, whatever the route: a plain one, or the events of a stream."""

from typing import Any

from askonce.calls.endpoint import Body
from askonce.calls.parsing import told_tokens
from askonce.core.entry import Usage


def usage_in(told: Any) -> Body:
    """The `usage` of an answer or of an event: in the event itself (a chunk of chat, `message_delta`, the last of a
    transcription), in its `response` (`response.completed`) or in its `message` (`message_start`). Empty where it says
    none.
    """
    if not isinstance(told, dict):
        return {}
    for holder in (told, told.get("response"), told.get("message")):
        usage = holder.get("usage") if isinstance(holder, dict) else None
        if isinstance(usage, dict):
            return {name: value for name, value in usage.items() if value is not None}
    return {}


def counted(usage: Body) -> Usage | None:
    """What several events have said together; None where none said anything that counts."""
    found = told_tokens(usage)
    return found if found != Usage() else None
