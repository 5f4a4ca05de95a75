"""The dashboards: made from their source, of metrics that there are, and such that a person can read them."""

import re
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from askonce.frontend.observe import Result
from askonce.stores.guards import Outcome
from askonce.telemetry.metrics import METRICS
from grafana.source.__main__ import BOARDS, text
from grafana.source.boards import Board, Row, WrongLayout
from grafana.source.panels import Stat
from grafana.source.queries import Series, WrongQuery, gain, level, quantile, rate
from tests.grafana.reading import FOLDER, NAMES, VARIABLES, board, panels, queries
from tests.servers import debian_binary, need

TABLE = {metric.name: metric for metric in METRICS}
SERIES = {
    **{metric.name: metric for metric in METRICS if metric.kind != "histogram"},
    **{
        f"{metric.name}_{part}": metric
        for metric in METRICS
        if metric.kind == "histogram"
        for part in ("bucket", "sum", "count")
    },
}
UNITS = {"percentunit", "s", "reqps", "ops", "bytes", "currencyUSD", "short", "locale"}

each_board = pytest.mark.parametrize("name", NAMES)


@each_board
def test_a_dashboard_is_what_its_source_makes(name: str) -> None:
    made = next(one for one in BOARDS if one.name == name)
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == text(made), "run `make dashboards`"


def test_there_is_no_dashboard_without_a_source() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {one.name for one in BOARDS} == set(NAMES)


# -- metrics ---------------------------------------------------------------------------------------------------------


def test_every_metric_is_shown_somewhere() -> None:
    shown = {SERIES[name].name for query in queries() for name, _ in query.selectors() if name != "up"}
    assert set(TABLE) - shown == set()


def test_every_query_is_of_metrics_and_labels_that_there_are() -> None:
    for query in queries():
        selectors = list(query.selectors())
        assert selectors, query
        for name, matchers in selectors:
            known = {"instance", "job"} if name == "up" else {*SERIES[name].labels, "instance"}
            assert {label for label, _, _ in matchers} <= known, query


def test_every_word_that_a_query_looks_for_is_one_that_is_counted() -> None:
    words: dict[tuple[str, str], set[str]] = {
        ("askonce_requests_total", "result"): set(Result),
        ("askonce_request_seconds", "result"): set(Result),
        ("askonce_team_requests_total", "result"): set(Result),
        ("askonce_store_read_seconds", "outcome"): set(Outcome),
        ("askonce_lookups_total", "source"): {"memory", "semantic", "missing"},
    }
    looked_for = 0
    for query in queries():
        for name, matchers in query.selectors():
            for label, _, value in matchers:
                if "$" not in value and name != "up":
                    looked_for += 1
                    assert set(value.split("|")) <= words[SERIES[name].name, label], query
    assert looked_for > 20


def test_every_label_in_a_legend_is_one_of_the_metric() -> None:
    for query in queries():
        labels = {label for name, _ in query.selectors() if name != "up" for label in SERIES[name].labels}
        assert set(re.findall(r"\{\{(\w+)\}\}", query.legend)) <= {*labels, "instance"}, query


def test_a_query_that_the_table_does_not_know_is_not_made() -> None:
    with pytest.raises(WrongQuery, match="no metric askonce_hits_total"):
        rate("askonce_hits_total")
    with pytest.raises(WrongQuery, match="has no label colour"):
        rate("askonce_requests_total", "colour")
    with pytest.raises(WrongQuery, match="has no label colour"):
        level("askonce_flights", colour="red")
    with pytest.raises(WrongQuery, match="is a gauge, not a counter"):
        gain("askonce_flights")
    with pytest.raises(WrongQuery, match="is a counter, not a histogram"):
        quantile(0.5, "askonce_kept_total")


def test_what_all_processes_tell_alike_is_not_summed() -> None:
    assert level("askonce_queue_bytes") == "max(askonce_queue_bytes)"
    assert level("askonce_flights") == 'sum(askonce_flights{instance=~"$instance"})'


def test_every_query_is_an_expression(tmp_path: Path) -> None:
    promtool = need("promtool", debian_binary("promtool"))
    every = queries()
    rules = [{"record": f"panel:{number}", "expr": query.asked} for number, query in enumerate(every)]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    checked = subprocess.run([promtool, "check", "rules", str(path)], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert f"{len(every)} rules found" in checked.stdout
    assert not [query for query in every if "$" in query.asked]


# -- what a person sees ----------------------------------------------------------------------------------------------


@each_board
def test_every_panel_says_what_it_shows(name: str) -> None:
    found = panels(name)
    assert len(found) >= 15
    for panel in found:
        said = panel["description"]
        assert 60 < len(said) < 330, panel["title"]
        assert said.endswith("."), panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS, panel["title"]
        assert defaults["noValue"], panel["title"]
        assert defaults["min"] == 0, panel["title"]
        assert defaults["unit"] != "percentunit" or defaults["max"] == 1, panel["title"]
        assert panel["type"] in {"stat", "timeseries", "bargauge", "table"}, panel["title"]
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]


@each_board
def test_thresholds_begin_anywhere_and_rise(name: str) -> None:
    for panel in panels(name):
        first, *others = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        assert first is None, panel["title"]
        assert all(one < next_one for one, next_one in pairwise(others)), panel["title"]


@each_board
def test_no_two_panels_share_a_number_a_title_or_a_place(name: str) -> None:
    every = board(name)["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    assert len({panel["title"] for panel in every}) == len(every)
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in every):
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, place
        taken |= cells
    height = 1 + max(y for _, y in taken)
    assert taken == {(x, y) for x in range(24) for y in range(height)}, "there are holes"


@each_board
def test_the_variables_are_those_that_queries_use(name: str) -> None:
    one = board(name)
    told = {variable["name"] for variable in one["templating"]["list"]}
    texts = [target["expr"] for panel in panels(name) for target in panel["targets"]]
    used = {word for each in texts for word in re.findall(r"\$(\w+)", each)}
    assert used <= {word.removeprefix("$") for word in VARIABLES}
    assert told == {word for word in used if not word.startswith("__")} | {"datasource"}
    assert {panel["datasource"]["uid"] for panel in panels(name)} == {"${datasource}"}
    for variable in one["templating"]["list"][1:]:
        metric, label = re.fullmatch(r"label_values\((\w+),(\w+)\)", variable["query"]["query"]).groups()
        assert label in {*TABLE[metric].labels, "instance"}
        assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, ".*")


def test_each_dashboard_leads_to_the_others_and_keeps_its_name() -> None:
    boards: list[dict[str, Any]] = [board(name) for name in NAMES]
    titles = ["askonce / Overview", "askonce / Write path", "askonce / Stores", "askonce / Models and tenants"]
    assert [one["title"] for one in boards] == titles
    assert [one["uid"] for one in boards] == [f"askonce-{name}" for name in NAMES]
    for one in boards:
        assert one["tags"] == one["links"][0]["tags"] == ["askonce"]
        assert (one["links"][0]["type"], one["links"][0]["includeVars"]) == ("dashboards", True)
        assert one["time"] == {"from": "now-1h", "to": "now"}


def test_panels_that_leave_a_hole_are_not_placed() -> None:
    panel = Stat(title="One", help="…", series=(Series("up", "up"),), unit="short", width=5)
    with pytest.raises(WrongLayout, match="holes: One"):
        Board("holes", "Holes", "…", (Row("Row", (panel,)),)).built()
