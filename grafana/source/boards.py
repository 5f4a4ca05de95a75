"""A dashboard: its frame, its variables, its links to the others, and where each panel stands. Knows of no metric but
those that fill the variables.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model

from grafana.source.panels import DATA, Panel

COLUMNS: Final = 24
TAG: Final = "askonce"
_FILTERS: Final = {
    # its metric, its label, and what it is called above the dashboard
    "instance": ("askonce_build_info", "instance", "Instance"),
    "call_type": ("askonce_requests_total", "call_type", "Call type"),
    "model": ("askonce_requests_total", "model", "Model"),
}


class WrongLayout(ValueError):
    """Panels that do not fill their lines."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading, from left to right, line by line. Each line is full, and of one height."""

    title: str
    panels: tuple[Panel, ...]

    def lines(self) -> Iterator[tuple[Panel, ...]]:
        line: list[Panel] = []
        for panel in self.panels:
            line.append(panel)
            if sum(one.width for one in line) >= COLUMNS:
                yield tuple(line)
                line = []
        if line:
            yield tuple(line)


@dataclass(frozen=True, slots=True)
class Board:
    """`name` is its file's and, after `askonce-`, its uid: links and bookmarks live by it."""

    name: str
    title: str
    about: str
    rows: tuple[Row, ...]

    def built(self) -> model.Dashboard:
        """The dashboard as Grafana reads it. Raises `WrongLayout`."""
        board = build.Dashboard(f"askonce / {self.title}").uid(f"askonce-{self.name}").description(self.about)
        board.tags([TAG]).timezone("browser").time("now-1h", "now").refresh("10s").editable()
        board.tooltip(model.DashboardCursorSync.CROSSHAIR).version(1)
        board.link(_others()).with_variable(_source())
        for name in _FILTERS:
            if any(f"${name}" in one.expr for row in self.rows for panel in row.panels for one in panel.series):
                board.with_variable(_filter(name))
        self._place(board)
        return board.build()

    def _place(self, board: build.Dashboard) -> None:
        top, number = 0, 1
        for row in self.rows:
            board.with_row(build.Row(row.title).id(number).grid_pos(model.GridPos(h=1, w=COLUMNS, x=0, y=top)))
            top, number = top + 1, number + 1
            for line in row.lines():
                heights, left = {panel.height for panel in line}, 0
                if sum(panel.width for panel in line) != COLUMNS or len(heights) != 1:
                    raise WrongLayout(f"{self.name}: {', '.join(panel.title for panel in line)}")
                for panel in line:
                    place = model.GridPos(h=panel.height, w=panel.width, x=left, y=top)
                    board.with_panel(panel.builder().id(number).grid_pos(place))
                    left, number = left + panel.width, number + 1
                top += heights.pop()


def _others() -> build.DashboardLink:
    link = build.DashboardLink("askonce").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.include_vars(True).keep_time(True).as_dropdown(False).target_blank(False)


def _source() -> build.DatasourceVariable:
    return build.DatasourceVariable("datasource").label("Prometheus").type("prometheus")


def _filter(name: str) -> build.QueryVariable:
    metric, label, title = _FILTERS[name]
    query: dict[str, object] = {"query": f"label_values({metric},{label})", "refId": name}
    variable = build.QueryVariable(name).label(title).query(query).datasource(DATA)
    variable.multi(True).include_all(True).all_value(".*")
    variable.current(model.VariableOption(selected=True, text=["All"], value=["$__all"]))
    return variable.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)
