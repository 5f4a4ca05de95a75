"""The config file as a mapping. Knows YAML; knows no setting."""

import re
from pathlib import Path
from typing import Any

import yaml

from askonce.core.errors import ConfigError


def read_document(path: Path) -> dict[str, Any]:
    """The file's top level; an empty file is an empty mapping. Raises ConfigError that names the line."""
    try:
        document = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ConfigError(str(path), "file", error.strerror or "cannot be read") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = "file" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"
        raise ConfigError(str(path), where, f"not valid YAML: {_without_values(error.problem or '')}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigError(str(path), "file", "not valid YAML") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError(str(path), "line 1", "must be a mapping, with sections such as model_list")
    return {str(name): value for name, value in document.items()}


def _without_values(problem: str) -> str:
    """PyYAML's words up to what it quotes from the file: an unquoted password may begin with `!`, `&` or `*`."""
    if r"'\t'" in problem:
        return "a tab; YAML takes spaces only"
    expected = re.split(r",? but |\bfound\b", problem)[0]
    words = expected.split("'")  # every other one is quoted; a single character is YAML's, what is longer is the file's
    cut = next((n for n in range(1, len(words), 2) if len(words[n]) > 1), len(words))
    return "'".join(words[:cut]).strip() or "a value that needs quotes"
