"""One mapping of the file, read name by name. Keeps count of what was read, so that the rest can be listed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from askonce.config.notes import Notes
from askonce.config.values import Unset, Wrong, mapping, resolve

T = TypeVar("T")

OnUnset = Callable[[str, str], None]  # the member's dotted path, and the words "NAME is not set"


@dataclass
class Section:
    """`path` is how people find it, such as `litellm_settings.cache_params`, and "" for the whole file.

    A null and an empty text are no value. Wrong values go to `notes` and read as None, so that one run finds all of
    them; so do references to variables that are not set, unless `on_unset` takes those.
    """

    path: str
    values: Mapping[str, Any]
    variables: Mapping[str, str]
    notes: Notes
    on_unset: OnUnset | None = None
    _read: set[str] = field(default_factory=set)

    def key(self, name: str) -> str:
        """The dotted path of a member."""
        return f"{self.path}.{name}" if self.path else name

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str, parse: Callable[[Any], T]) -> T | None:
        """The member as `parse` gives it; None where there is none."""
        return self._parsed(name, parse, lambda value: resolve(value, self.variables))

    def as_written(self, name: str, parse: Callable[[Any], T]) -> T | None:
        """The same with its references in place, for a member whose parts are read one by one."""
        return self._parsed(name, parse, lambda value: value)

    def section(self, name: str, on_unset: OnUnset | None = None) -> "Section":
        """A member that is a mapping; an empty one where there is none."""
        values = self.as_written(name, mapping) or {}
        return Section(self.key(name), values, self.variables, self.notes, on_unset)

    def left(self) -> list[str]:
        """The names that nobody has asked for."""
        return [name for name in self.values if name not in self._read]

    def pass_over(self) -> None:
        """Counts all names as asked for: nothing that stands here has an effect, and one line says so."""
        self._read.update(self.values)

    def ignore_left(self, why: Callable[[str], str]) -> None:
        """Lists what nobody has asked for, each with its reason."""
        for name in self.left():
            self.notes.ignore(self.key(name), why(name))

    def _parsed(self, name: str, parse: Callable[[Any], T], resolved: Callable[[Any], Any]) -> T | None:
        self._read.add(name)
        try:
            value = resolved(self.values.get(name))
            return None if value is None or value == "" else parse(value)
        except Unset as unset:
            (self.on_unset or self.notes.wrong)(self.key(name), str(unset))
        except Wrong as wrong:
            self.notes.wrong(self.key(name), str(wrong))
        return None
