"""Reads the dashboards as they are in the repository: their panels and queries, and what they name."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[2] / "grafana" / "dashboards"
NAMES: Final = ("overview", "write-path", "stores", "models")
# What Grafana puts in, for a Prometheus that is asked directly.
VARIABLES: Final = {
    "$__rate_interval": "5m",
    "$__range": "1h",
    "$instance": ".*",
    "$call_type": ".*",
    "$model": ".*",
}
_SELECTOR: Final = re.compile(r"\b(askonce_\w+|up)\b(?:\{([^}]*)\})?")
_MATCHER: Final = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Query:
    """One query of one panel: `expr` as the file has it."""

    board: str
    panel: str
    expr: str
    legend: str

    @property
    def asked(self) -> str:
        """As Prometheus is asked."""
        text = self.expr
        for name, value in VARIABLES.items():
            text = text.replace(name, value)
        return text

    def selectors(self) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
        """Each series that is read: its name, and its matchers as label, operator, value."""
        for name, matchers in _SELECTOR.findall(self.expr):
            yield name, _MATCHER.findall(matchers)


def board(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return read


def panels(name: str) -> list[dict[str, Any]]:
    """All but the headings of rows."""
    return [panel for panel in board(name)["panels"] if panel["type"] != "row"]


def queries() -> list[Query]:
    return [
        Query(name, panel["title"], target["expr"], target["legendFormat"])
        for name in NAMES
        for panel in panels(name)
        for target in panel["targets"]
    ]
