"""The variables in force: what the process was given, and below it the `.env` of the working directory."""

from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from dotenv.variables import parse_variables

from askonce.core.errors import ConfigError


def merge_environment(environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """Names to non-empty values: an empty variable is one that is not set, in either place.

    `${NAME}` in a value of `.env` stands for the variable, given or set earlier in the file. Raises ConfigError for a
    `.env` that cannot be read.
    """
    given = {name: value for name, value in environ.items() if value}
    merged: dict[str, str] = {}
    for name, value in _dotenv(cwd / ".env").items():
        # dotenv's own expansion would look into the process's environment, past the one handed in
        expanded = "".join(atom.resolve({**merged, **given}) for atom in parse_variables(value or ""))
        if expanded:
            merged[name] = expanded
    return merged | given


def _dotenv(path: Path) -> dict[str, str | None]:
    if not path.is_file():
        return {}
    try:
        return dict(dotenv_values(path, interpolate=False))
    except OSError as error:
        raise ConfigError(str(path), "file", error.strerror or "cannot be read") from None
    except UnicodeDecodeError:
        raise ConfigError(str(path), "file", "must be UTF-8 text") from None
