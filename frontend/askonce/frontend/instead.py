"""What a request says of who is asked when its own model fails. Knows no configuration and no provider.

Source: LiteLLM's page on fallbacks (`fallbacks` and `disable_fallbacks` in the body).
"""

from collections.abc import Iterator
from typing import Any, Final

import orjson

from askonce.calls.endpoint import Body
from askonce.core.errors import bad_request

_MEMBERS: Final = ("fallbacks", "fallbacks[]")  # the latter is how the OpenAI SDKs write a list into a form
_MOST: Final = 100  # names: each costs a look, and none is asked beyond `max_fallbacks`
# What a fallback cannot change: how the answer travels, what the cache may do, and the file of a form.
_FIXED: Final = frozenset({"stream", "stream_options", "cache", "file", "disable_fallbacks", *_MEMBERS})


def read_instead(body: Body) -> tuple[Body, ...] | None:
    """What takes the place of members of the body, `model` among them, for each fallback that the request names. None
    where it names none, so that the configured ones count; empty where it wants none.

    Takes its members out of the body. Raises RequestError (400), naming the field.
    """
    disabled = _disabled(body.pop("disable_fallbacks", None))
    said = [found for name in _MEMBERS if (found := body.pop(name, None)) is not None]
    if not said and not disabled:
        return None
    named = tuple(one for each in said for one in _named(each, body.get("model")))
    if len(named) > _MOST:
        raise bad_request(f"`fallbacks` may name {_MOST} models at most.", "fallbacks")
    return () if disabled else named


def _disabled(said: object) -> bool:
    if said is None or isinstance(said, bool):
        return said is True
    if isinstance(said, str) and said.lower() in {"true", "false"}:  # a field of a form
        return said.lower() == "true"
    raise bad_request("`disable_fallbacks` must be true or false.", "disable_fallbacks")


def _named(said: Any, asked: Any) -> Iterator[Body]:
    """A list of names, of objects with a `model`, or, as in the file, of objects that name the model that fails."""
    listed = _read(said)
    for one in listed if isinstance(listed, list) else [listed]:
        if isinstance(one, str) and one:
            yield {"model": one}
        elif isinstance(one, dict) and isinstance(one.get("model"), str) and one["model"]:
            yield {name: value for name, value in one.items() if name not in _FIXED}
        elif isinstance(one, dict) and one and isinstance(asked, str) and all(map(_names, one.values())):
            yield from ({"model": name} for name in one.get(asked) or one.get("*") or [])
        else:
            raise bad_request("`fallbacks` must be a list of names of models.", "fallbacks")


def _read(said: Any) -> Any:
    """A field of a form may be a name, or JSON."""
    if not isinstance(said, str) or not said.startswith(("[", "{")):
        return said
    try:
        return orjson.loads(said)
    except orjson.JSONDecodeError:
        return said


def _names(said: object) -> bool:
    return isinstance(said, list) and all(isinstance(one, str) and one for one in said)
