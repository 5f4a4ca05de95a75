"""The guard's rules: those that come along, and a file of the user's over them."""

from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml

from askonce.config.document import read_document
from askonce.config.values import Wrong, number
from askonce.core.errors import ConfigError
from askonce.semantic.compile import LIMITS, compiled
from askonce.semantic.doubts import Doubt
from askonce.semantic.rules import Rules
from askonce.semantic.sections import SECTIONS, Shape

_DISABLED: Final = "disabled"
_LIMITS: Final = "limits"
_QUOTES: Final = "words that YAML reads as true or false need quotes"


def read_rules(path: Path | None) -> Rules:
    """The rules in force. What `path` has is added to lists, and replaces single values of mappings.

    Raises ConfigError that names the file, the section and what was expected.
    """
    text = resources.files("askonce.semantic").joinpath("rules.yaml").read_text(encoding="utf-8")
    sections: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    for name, found in ({} if path is None else _read_own(path)).items():
        sections[name] = _merged(sections[name], found)
    return compiled(sections)


def _read_own(path: Path) -> dict[str, Any]:
    found = read_document(path)
    _check_repeats(path)
    checked = {}
    for name, value in found.items():
        if name not in SECTIONS:
            raise ConfigError(str(path), name, f"no such section; there are {', '.join(SECTIONS)}")
        if value is None:  # a section whose entries are all commented out
            continue
        try:
            checked[name] = _checked(SECTIONS[name], value)
            _check_names(name, checked[name])
        except Wrong as wrong:
            raise ConfigError(str(path), name, str(wrong)) from None
    return checked


def _check_repeats(path: Path) -> None:
    """YAML would take the last of two sections of one name, and the first would be lost without a word."""
    node = yaml.compose(path.read_bytes(), Loader=yaml.SafeLoader)
    names = [key.value for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(str(path), name, "must stand there once")


def _checked(shape: Shape, value: Any) -> Any:
    """The section as lists and mappings of words or numbers. Raises Wrong."""
    wrong = Wrong(f"must be {shape}")
    match shape:
        case Shape.WORDS if isinstance(value, list):
            return _words(value)
        case Shape.GROUPS if isinstance(value, list) and all(isinstance(group, list) for group in value):
            groups = [_words(group) for group in value]
            if all(len(group) > 1 for group in groups):
                return groups
        case Shape.LISTS if isinstance(value, dict) and all(isinstance(words, list) for words in value.values()):
            return {_word(name): _words(words) for name, words in value.items()}
        case Shape.TEXTS if isinstance(value, dict):
            return {_word(short): _word(long) for short, long in value.items()}
        case Shape.NUMBERS if isinstance(value, dict):
            try:
                return {_word(word): number(of) for word, of in value.items()}
            except Wrong:
                raise wrong from None
        case _:
            pass
    raise wrong


def _words(value: list[Any]) -> list[str]:
    """The words of a list, and of lists in it."""
    found: list[str] = []
    for entry in value:
        found += _words(entry) if isinstance(entry, list) else [_word(entry)]
    return found


def _word(value: Any) -> str:
    if isinstance(value, bool):
        raise Wrong(_QUOTES)
    if not isinstance(value, str | int) or not str(value).strip():
        raise Wrong("must hold words that are not empty; dates and fractions need quotes")
    return str(value).strip().lower()


def _check_names(section: str, value: Any) -> None:
    known = {_DISABLED: tuple(Doubt), _LIMITS: LIMITS}.get(section)
    if known is not None and not set(value) <= set(known):
        raise Wrong(f"must be of {', '.join(known)}")


def _merged(ours: Any, theirs: Any) -> Any:
    if isinstance(ours, list):
        return [*ours, *theirs]
    merged = {str(name).lower(): value for name, value in ours.items()}
    for name, value in theirs.items():
        before = merged.get(name)
        merged[name] = [*before, *value] if isinstance(before, list) else value
    return merged
