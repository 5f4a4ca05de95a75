"""Settings that may stand in the file or in a variable: what each says, and where. Knows no setting by name."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from askonce.config.notes import Notes
from askonce.config.section import Section
from askonce.config.values import Unset, Wrong, resolve


@dataclass(frozen=True, slots=True)
class Said:
    """`where` is a dotted key of the file, or a variable; it is there to be shown, `value` may be a secret."""

    value: Any = field(repr=False)
    where: str
    in_file: bool

    def wrong(self, expected: str, notes: Notes) -> None:
        """Notes that it stops the start."""
        (notes.wrong if self.in_file else notes.wrong_variable)(self.where, expected)


@dataclass(frozen=True, slots=True)
class Setting:
    """How a setting is called in the file and in variables, first ones first. `lenient`: a reference to a variable that
    is not set is told, and counts as not given.
    """

    read: Callable[[Any], Any]
    keys: tuple[str, ...]
    variables: tuple[str, ...]
    lenient: bool = True


def in_file(params: Section, settings: Mapping[str, Setting]) -> dict[str, Said]:
    """What the section says. A null, an empty text and an empty list say nothing."""
    lenient = replace(params, on_unset=params.notes.ignore)
    found: dict[str, Said] = {}
    for name, setting in settings.items():
        for key in setting.keys:
            value = (lenient if setting.lenient else params).get(key, setting.read)
            if value is None or value == () or name in found:
                continue
            found[name] = Said(value, params.key(key), in_file=True)
    return found


def unset_among(params: Section, keys: Iterable[str]) -> str:
    """A reference among these that led nowhere, for an error: the listing of notes is not seen then."""
    try:
        resolve([params.values.get(key) for key in keys], params.variables)
    except Unset as unset:
        return f" ({unset})"
    return ""


def in_variables(variables: Mapping[str, str], settings: Mapping[str, Setting], notes: Notes) -> dict[str, Said]:
    found: dict[str, Said] = {}
    for name, setting in settings.items():
        given = next((variable for variable in setting.variables if variable in variables), None)
        if given is None:
            continue
        try:
            value = setting.read(variables[given])
        except Wrong as wrong:
            notes.wrong_variable(given, str(wrong))
            continue
        if value != ():
            found[name] = Said(value, given, in_file=False)
    return found
