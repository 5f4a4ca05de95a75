"""compose.yaml as a compose implementation reads it: variables in place, of .env.example's defaults or of others."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final = ROOT / "compose"
TEXT: Final = (COMPOSE / "compose.yaml").read_text()
VARIABLE: Final = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_SAID: Final = re.compile(r"^#?([A-Z_]+)=(.*)$", re.MULTILINE)


def example() -> dict[str, str]:
    """The variables of .env.example, commented out or not."""
    return dict(_SAID.findall((COMPOSE / ".env.example").read_text()))


def filled_in(variables: Mapping[str, str]) -> str:
    return VARIABLE.sub(lambda found: variables.get(found[1]) or found[2] or "", TEXT)


def whole(variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The file, with anchors resolved."""
    return yaml.safe_load(filled_in(variables or {}))


def services(variables: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """By name."""
    return whole(variables)["services"]
