"""What loading finds beside the settings: wrong values, and settings without effect. Knows no setting by name."""

from collections.abc import Container, Sequence

from askonce.core.errors import ConfigError


class ConfigErrors(ConfigError):
    """Several wrong settings, told at once: `errors` in the order found; `source`, `key`, `expected` of the first."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        first = errors[0]
        super().__init__(first.source, first.key, first.expected)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class Notes:
    """Collects while one file is read. A value is never written down: it may be a secret. `without_effect` has the
    reasons of what is ignored, by key.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._wrong: list[ConfigError] = []
        self.without_effect: dict[str, str] = {}
        self._warnings: list[str] = []

    def wrong(self, key: str, expected: str) -> None:
        """A value in the file that stops the start."""
        self._wrong.append(ConfigError(self.source, key, expected))

    def wrong_variable(self, name: str, expected: str) -> None:
        self._wrong.append(ConfigError("environment", name, expected))

    def add(self, error: ConfigError) -> None:
        """What was wrong with a further file."""
        self._wrong.extend(error.errors if isinstance(error, ConfigErrors) else [error])

    def is_wrong(self, *keys: str) -> bool:
        """Whether one of these keys or variables has been noted as wrong."""
        return any(error.key in keys for error in self._wrong)

    def ignore(self, key: str, why: str) -> None:
        """A setting without effect here; told once, however often it stands in the file."""
        self.without_effect.setdefault(key, why)

    def warn(self, words: str) -> None:
        """What works, and is dangerous."""
        self._warnings.append(words)

    def take(self, other: "Notes", *, but: Container[str] = ()) -> None:
        """What was found apart, but for what is told already, and for what these are said to have no effect."""
        self._wrong += [error for error in other.errors if not self.is_wrong(error.key)]
        for key, why in other.without_effect.items():
            if key not in but:
                self.ignore(key, why)

    @property
    def errors(self) -> tuple[ConfigError, ...]:
        return tuple(self._wrong)

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._warnings)

    @property
    def ignored(self) -> tuple[str, ...]:
        return tuple(f"{key}: {why}" for key, why in self.without_effect.items())

    def check(self) -> None:
        """Raises ConfigError if anything was wrong: ConfigErrors when more than one thing was."""
        if len(self._wrong) > 1:
            raise ConfigErrors(self._wrong)
        if self._wrong:
            raise self._wrong[0]
