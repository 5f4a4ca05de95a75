"""Writes the dashboards: `python -m grafana.source`, or `make dashboards`."""

import json
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.source.boards import Board
from grafana.source.models import MODELS
from grafana.source.overview import OVERVIEW
from grafana.source.stores import STORES
from grafana.source.write_path import WRITE_PATH

FOLDER: Final = Path(__file__).parents[1] / "dashboards"
BOARDS: Final = (OVERVIEW, WRITE_PATH, STORES, MODELS)
_OF_INTERVALS: Final = ("id", "auto", "auto_min", "auto_count")  # and of nobody else


def text(board: Board) -> str:
    """The file of a dashboard: the same bytes for the same source."""
    read = json.loads(json.dumps(board.built(), cls=JSONEncoder))
    return json.dumps(_of_today(read), indent=2, ensure_ascii=False) + "\n"


def _of_today(board: dict[str, Any]) -> dict[str, Any]:
    """Without the defaults that the library writes for older versions of Grafana, and that its schema knows no more."""
    del board["style"]
    for variable in board["templating"]["list"]:
        for name in _OF_INTERVALS:
            del variable[name]
    for panel in board["panels"]:
        if panel["type"] == "table":
            del panel["options"]["footer"]
    return board


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    for board in BOARDS:
        (FOLDER / f"{board.name}.json").write_text(text(board), encoding="utf-8")


if __name__ == "__main__":
    write()
