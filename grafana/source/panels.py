"""What a panel says, and the one look that all of its kind have. Knows no metric: its queries come made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders import dashboard as boards
from grafana_foundation_sdk.models import common as look
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.source.queries import Series

DATA: Final = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
NEUTRAL: Final = (("text", None),)
"""No value of it is good or bad everywhere."""
QUANTILES: Final = {"p50": "green", "p95": "yellow", "p99": "orange"}
_DECIMALS: Final = {"percentunit": 1, "currencyUSD": 4}  # in tables, where small sums stand beside large ones
# An axis reaches so far at least: that of a line at 0 would else reach to 100.
_AT_LEAST: Final = {"short": 1.0, "s": 0.001, "reqps": 0.1, "ops": 0.1, "bytes": 1024.0, "currencyUSD": 0.01}

Steps = tuple[tuple[str, float | None], ...]
"""Colours, each from a value on; the first from anywhere."""
Builder = stat.Panel | timeseries.Panel | bargauge.Panel | table.Panel
B = TypeVar("B", stat.Panel, timeseries.Panel, bargauge.Panel, table.Panel)


def worse_from(bad: float, worse: float | None = None) -> Steps:
    """Green, red from `bad` on; with `worse` orange from `bad` and red from there."""
    if worse is None:
        return ("green", None), ("red", bad)
    return ("green", None), ("orange", bad), ("red", worse)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`help` says what good looks like, and what to do where it does not. `unit` is one of Grafana's; `width` is in
    columns of 24, `height` in rows of 30 pixels. `ceiling` is the axis's, where a value has one.
    """

    title: str
    help: str
    series: tuple[Series, ...]
    unit: str
    width: int = 8
    height: int = 8
    steps: Steps = NEUTRAL
    decimals: int | None = None
    ceiling: float | None = None
    nothing: str = "none in this time"

    def builder(self) -> Builder:
        raise NotImplementedError

    def _dressed(self, panel: B) -> B:
        steps = [model.Threshold(value, color) for color, value in self.steps]
        panel.title(self.title).description(self.help).datasource(DATA).unit(self.unit).min(0).no_value(self.nothing)
        panel.thresholds(boards.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps))
        if self.decimals is not None:
            panel.decimals(self.decimals)
        if self.ceiling is not None:
            panel.max(self.ceiling)
        return panel

    def _queries(self) -> list[prometheus.Dataquery]:
        return [
            prometheus.Dataquery().expr(one.expr).legend_format(one.legend).ref_id(chr(ord("A") + number))
            for number, one in enumerate(self.series)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat(Panel):
    """Figures: of now, or of all the time shown. `words` are said instead of a value, each with its colour."""

    width: int = 4
    height: int = 4
    words: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def builder(self) -> stat.Panel:
        panel = self._dressed(stat.Panel())
        panel.reduce_options(_last()).graph_mode(look.BigValueGraphMode.NONE)
        panel.color_mode(look.BigValueColorMode.VALUE).orientation(look.VizOrientation.AUTO).text(_sizes(16, 36))
        panel.color_scheme(boards.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        if self.words:
            texts = {
                value: model.ValueMappingResult(text=text, color=color) for value, (text, color) in self.words.items()
            }
            panel.mappings([model.ValueMap(options=texts)])
        for query in self._queries():
            panel.with_target(query.instant())
        return panel


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines(Panel):
    """Lines over time, their last and mean values in the legend; of `many` lines only names, else it would not be seen
    whole. `steps` are drawn where they mean something. `colors` are of lines by name; `bars` is for what is counted
    rather than measured.
    """

    height: int = 9
    many: bool = False
    stacked: bool = False
    bars: bool = False
    colors: Mapping[str, str] = field(default_factory=dict)

    def builder(self) -> timeseries.Panel:
        panel = self._dressed(timeseries.Panel())
        panel.draw_style(look.GraphDrawStyle.BARS if self.bars else look.GraphDrawStyle.LINE)
        panel.line_width(1).show_points(look.VisibilityMode.AUTO).span_nulls(60_000.0)
        panel.fill_opacity(60 if self.bars else 30 if self.stacked else 8 if len(self.series) == 1 else 0)
        panel.color_scheme(boards.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC))
        panel.tooltip(common.VizTooltipOptions().mode(look.TooltipDisplayMode.MULTI).sort(look.SortOrder.DESCENDING))
        panel.legend(_legend(whole=not self.many))
        if self.ceiling is None:
            panel.axis_soft_max(_AT_LEAST[self.unit])
        if self.stacked or self.bars:
            panel.stacking(common.StackingConfig().mode(look.StackingMode.NORMAL).group("A"))
        if self.steps != NEUTRAL:
            panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(look.GraphTresholdsStyleMode.DASHED))
        for name, color in self.colors.items():
            panel.override_by_name(name, [_color(color)])
        for query in self._queries():
            panel.with_target(query.range())
        return panel


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars(Panel):
    """One bar for each value of a label, for all the time shown or for now."""

    def builder(self) -> bargauge.Panel:
        panel = self._dressed(bargauge.Panel())
        panel.reduce_options(_last()).display_mode(look.BarGaugeDisplayMode.BASIC)
        panel.orientation(look.VizOrientation.HORIZONTAL).value_mode(look.BarGaugeValueMode.COLOR)
        panel.text(_sizes(14, 16))
        if self.steps == NEUTRAL:
            panel.color_scheme(boards.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC))
        else:
            panel.color_scheme(boards.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        for query in self._queries():
            panel.with_target(query.instant())
        return panel


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Panel):
    """A row for each value of labels, a column for each query: its legend is the column's name. `units` are those that
    differ from the panel's, by column; `first` are the labels shown, with what their columns are called. The largest of
    the first query come first.
    """

    width: int = 24
    first: Mapping[str, str]
    units: Mapping[str, str] = field(default_factory=dict)

    def builder(self) -> table.Panel:
        panel = self._dressed(table.Panel()).show_header(True)
        values = {f"Value #{chr(ord('A') + number)}": one.legend for number, one in enumerate(self.series)}
        if len(values) == 1:
            values = {"Value": self.series[0].legend}
        names = {**self.first, **values}
        for query in self._queries():
            panel.with_target(query.instant().format(PromQueryFormat.TABLE))
        panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        order = {name: place for place, name in enumerate(names)}
        tidy = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names}
        panel.with_transformation(model.DataTransformerConfig(id_val="organize", options=tidy))
        for column, unit in self.units.items():
            properties = {"unit": unit, "decimals": _DECIMALS[unit]}
            panel.override_by_name(column, [model.DynamicConfigValue(*one) for one in properties.items()])
        return panel.sort_by([common.TableSortByFieldState().display_name(self.series[0].legend).desc(True)])


def _legend(*, whole: bool) -> common.VizLegendOptions:
    legend = common.VizLegendOptions().show_legend(True).placement(look.LegendPlacement.BOTTOM)
    if whole:
        return legend.display_mode(look.LegendDisplayMode.TABLE).calcs(["lastNotNull", "mean"])
    return legend.display_mode(look.LegendDisplayMode.LIST).calcs([])


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def _sizes(title: int, value: int) -> common.VizTextDisplayOptions:
    return common.VizTextDisplayOptions().title_size(title).value_size(value)


def _color(name: str) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": name})
