"""What a request body must hold so that our own functions can work on it. All else is the provider's to judge."""

from typing import Final

from askonce.calls.endpoint import Body
from askonce.core.errors import bad_request

_LONGEST_NAME: Final = 512


def check_model(body: Body) -> None:
    model = body.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= _LONGEST_NAME:
        raise bad_request(f"model must be a name of 1 to {_LONGEST_NAME} characters, such as gpt-4o-mini", "model")


def check_stream(body: Body) -> None:
    if not isinstance(body.get("stream"), bool | None):
        raise bad_request("stream must be true or false", "stream")
    if not isinstance(body.get("stream_options"), dict | None):
        raise bad_request('stream_options must be an object, such as {"include_usage": true}', "stream_options")
