"""Structured field values, read strictly (RFC 8941): what is not to the letter is an error."""

import re
from dataclasses import dataclass, field

Bare = str | int | float | bool | bytes

_KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*")
_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+\-.^_`|~:/]*")
_NUMBER = re.compile(r"-?(\d{1,12}\.\d{1,3}|\d{1,15})(?![\d.])")
_STRING = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BOOLEAN = re.compile(r"\?([01])")
_BETWEEN = re.compile(r"[ \t]*,[ \t]*")


class Token(str):
    """A word without quotes, which is not the string of the same letters."""

    __slots__ = ()


@dataclass
class Item:
    value: Bare
    parameters: dict[str, Bare] = field(default_factory=dict)


def read_list(text: str) -> list[Item]:
    """A list of items with parameters (RFC 8941 4.2.1), such as Cache-Status. Raises ValueError."""
    items: list[Item] = []
    at = 0
    while True:
        item, at = _item(text, at)
        items.append(item)
        if at == len(text):
            return items
        between = _BETWEEN.match(text, at)
        if between is None or between.end() == len(text):
            raise ValueError(f"no comma at {at} of {text!r}")
        at = between.end()


def _item(text: str, at: int) -> tuple[Item, int]:
    value, at = _bare(text, at)
    item = Item(value)
    while at < len(text) and text[at] == ";":
        at += 1
        while text[at : at + 1] == " ":
            at += 1
        name = _KEY.match(text, at)
        if name is None:
            raise ValueError(f"no parameter's name at {at} of {text!r}")
        at = name.end()
        parameter: Bare = True
        if text[at : at + 1] == "=":
            parameter, at = _bare(text, at + 1)
        item.parameters[name[0]] = parameter
    return item, at


def _bare(text: str, at: int) -> tuple[Bare, int]:
    if found := _NUMBER.match(text, at):
        return (float(found[0]) if "." in found[0] else int(found[0])), found.end()
    if found := _STRING.match(text, at):
        return re.sub(r"\\(.)", r"\1", found[1]), found.end()
    if found := _BOOLEAN.match(text, at):
        return found[1] == "1", found.end()
    if found := _TOKEN.match(text, at):
        return Token(found[0]), found.end()
    raise ValueError(f"no value at {at} of {text!r}")
