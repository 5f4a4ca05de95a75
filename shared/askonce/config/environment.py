"""The variables in force: what the process was given, below it files of secrets, and below those the `.env` of the
working directory.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables
from pydantic import SecretStr

from askonce.config.files import SECRETS_DIR, Files
from askonce.config.notes import Notes
from askonce.core.errors import ConfigError

# `NAME = "[{"host": "h"}]"`, as LiteLLM's page writes it: to dotenv the second quote ends the value
_JSON_IN_QUOTES: Final = re.compile(r"""\s*(?:export\s+)?([^\s=#'"]+)\s*=\s*(["'])([\[{].*[]}])\2\s*""")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LIBRARIES: Final = ("AWS_", "AZURE_", "GOOGLE_")


def merge_environment(environ: Mapping[str, str], files: Files, cwd: Path, notes: Notes) -> dict[str, str]:
    """Names to non-empty values: an empty variable is one that is not set, wherever it stands.

    ASKONCE_SECRETS_DIR has done its work, and is not among them where the process was given it. `${NAME}` in a value of
    `.env` stands for the variable, given or set earlier in the file. A line that makes no sense is told. Raises
    ConfigError for a `.env` that cannot be read.
    """
    given = {**files.variables, **{name: value for name, value in environ.items() if value and name != SECRETS_DIR}}
    merged: dict[str, str] = {}
    for name, value in _dotenv(cwd / ".env", notes).items():
        # dotenv's own expansion would look into the process's environment, past the one handed in
        expanded = "".join(atom.resolve({**merged, **given}) for atom in parse_variables(value or ""))
        if expanded and not (name == SECRETS_DIR and files.folder is not None):
            merged[name] = expanded
    return merged | given


def for_libraries(variables: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, SecretStr]:
    """What the libraries of clouds look for in the process's own environment and would not find there. What cannot
    stand in an environment is left out.
    """
    return {
        name: SecretStr(value)
        for name, value in variables.items()
        if name.startswith(_LIBRARIES) and not environ.get(name) and _VARIABLE.fullmatch(name) and _fits(value)
    }


def _fits(value: str) -> bool:
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def _dotenv(path: Path, notes: Notes) -> dict[str, str | None]:
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8") as stream:
            return dict(named for binding in parse_stream(stream) if (named := _named(binding, notes)) is not None)
    except OSError as error:
        raise ConfigError(str(path), "file", error.strerror or "cannot be read") from None
    except UnicodeDecodeError:
        raise ConfigError(str(path), "file", "must be UTF-8 text") from None


def _named(binding: Binding, notes: Notes) -> tuple[str, str | None] | None:
    if not binding.error:
        return None if binding.key is None else (binding.key, binding.value)
    quoted = _JSON_IN_QUOTES.fullmatch(binding.original.string)
    if quoted is not None:
        return quoted[1], quoted[3]
    written, at = binding.original
    before = written[: len(written) - len(written.lstrip())]  # empty lines belong to what follows them
    line = at + before.count("\n")
    notes.ignore(f".env, line {line}", "is not NAME=value")
    return None
