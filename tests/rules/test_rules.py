"""Rules of Prometheus: valid, tested one by one, told in the runbook, and of metrics that there are."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from askonce.telemetry.metrics import METRICS
from tests.rules.reading import ROOT, RULES, RUNBOOK, UNIT_TESTS, promtool, rules, used, wrong

ALERTS: Final = rules("alert")
RECORDED: Final = rules("record")
PARAGRAPHS: Final = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))
SOURCES: Final = ("frontend", "writer", "shared")
NOT_SCRAPED_YET: Final = {"up"}


def unit_tests(kind: str) -> list[dict[str, Any]]:
    tests = [test for path in UNIT_TESTS for test in yaml.safe_load(path.read_text())["tests"]]
    return [one for test in tests for one in test.get(kind, ())]


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", *map(str, sorted(RULES.glob("*.yml"))))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_rules_do_as_their_unit_tests_say(path: Path) -> None:
    done = promtool("test", "rules", path.name, cwd=path.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


@pytest.mark.parametrize("name", sorted({rule["alert"] for rule in ALERTS}))
def test_an_alert_has_a_run_in_which_it_fires_and_one_in_which_it_does_not(name: str) -> None:
    ran = [one for one in unit_tests("alert_rule_test") if one["alertname"] == name]
    fired = [alert for one in ran for alert in one["exp_alerts"]]
    assert {alert["exp_labels"]["severity"] for alert in fired} == {
        rule["labels"]["severity"] for rule in ALERTS if rule["alert"] == name
    }
    assert any(not one["exp_alerts"] for one in ran)


def test_no_unit_test_is_of_an_alert_that_is_no_more() -> None:
    assert {one["alertname"] for one in unit_tests("alert_rule_test")} == {rule["alert"] for rule in ALERTS}


def test_every_recorded_series_has_a_unit_test_of_its_values() -> None:
    asked = [one for one in unit_tests("promql_expr_test") if one["exp_samples"]]
    tested = {series.name for one in asked for series in used(one["expr"])}
    assert {rule["record"] for rule in RECORDED} <= tested


def test_a_quiet_proxy_is_looked_at_by_every_alert() -> None:
    (quiet,) = [yaml.safe_load(path.read_text())["tests"] for path in UNIT_TESTS if path.stem == "quiet"]
    (nobody,) = quiet
    assert {one["alertname"] for one in nobody["alert_rule_test"]} == {rule["alert"] for rule in ALERTS}
    assert all(one["exp_alerts"] == [] for one in nobody["alert_rule_test"])


@pytest.mark.parametrize("rule", ALERTS + RECORDED, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_metrics_that_there_are_by_labels_that_they_have(rule: dict[str, Any]) -> None:
    assert used(rule["expr"])
    assert wrong(rule["expr"]) == []


def test_a_metric_or_a_label_that_is_no_more_is_noticed() -> None:
    assert wrong("rate(askonce_hits_total[5m])") == ["askonce_hits_total"]
    assert wrong('askonce_writer_pending{store="redis",colour="red"}') == ["askonce_writer_pending: colour"]
    assert wrong("sum by (store) (rate(askonce_requests_total[5m]))") == ["askonce_requests_total: store"]
    assert wrong('askonce:hit_ratio{store="redis"}') == ["askonce:hit_ratio: store"]
    assert wrong("askonce_request_seconds") == ["askonce_request_seconds"]


def test_unit_tests_are_of_series_as_processes_have_them() -> None:
    tests = [test for path in UNIT_TESTS for test in yaml.safe_load(path.read_text())["tests"]]
    series = [one["series"] for test in tests for one in test["input_series"]]
    assert [each for one in series for each in wrong(one)] == []
    kinds = {f"{metric.name}{part}" for metric in METRICS for part in ("", "_bucket", "_count")}
    assert {one.partition("{")[0] for one in series} <= kinds | NOT_SCRAPED_YET


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alert_says_what_how_much_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert re.fullmatch(r"[1-9]\d*m", rule["for"])
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert notes["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
    about = ("$value", "$labels")
    assert rule["expr"].startswith("absent(") or any(word in notes["description"] for word in about)


def test_the_runbook_has_a_paragraph_for_each_alert_and_for_no_other() -> None:
    assert list(PARAGRAPHS) == list(dict.fromkeys(PARAGRAPHS))
    assert set(PARAGRAPHS) == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("name", PARAGRAPHS)
def test_a_paragraph_says_what_to_look_at_and_what_to_do(name: str) -> None:
    words = re.findall(r"^- \*\*(Means|Users|Look|Do|Harmless)\*\*", PARAGRAPHS[name], re.MULTILINE)
    assert words == ["Means", "Users", "Look", "Do", "Harmless"]


def test_queries_of_the_runbook_are_valid_and_of_metrics_that_there_are(tmp_path: Path) -> None:
    queries = re.findall(r"```promql\n(.*?)```", RUNBOOK, re.DOTALL)
    assert len(queries) > 10
    assert [each for query in queries for each in wrong(query)] == []
    recorded = [{"record": f"query:{n}", "expr": query} for n, query in enumerate(queries)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "runbook", "rules": recorded}]}))
    done = promtool("check", "rules", str(tmp_path / "queries.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_events_of_the_runbook_are_written_by_the_code() -> None:
    code = "".join(path.read_text() for folder in SOURCES for path in (ROOT / folder).rglob("*.py"))
    told = re.findall(r"\*\*Log\*\*:(.*?)(?:\n\n|\n- )", RUNBOOK, re.DOTALL)
    events = {event for line in told for event in re.findall(r"`(\w+_\w+|stopping|flushed)`", line)}
    assert len(events) > 20
    assert {event for event in events if f'"{event}"' not in code} == set()


def test_promtool_takes_the_configuration_of_prometheus(tmp_path: Path) -> None:
    text = (RULES.parent / "prometheus.yml").read_text()
    in_container = "/etc/prometheus/rules/*.yml"
    assert in_container in text
    (tmp_path / "prometheus.yml").write_text(text.replace(in_container, f"{RULES}/*.yml"))
    done = promtool("check", "config", "--lint=all", "--lint-fatal", str(tmp_path / "prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 rule files found" in done.stdout
    jobs = {job["job_name"] for job in yaml.safe_load(text)["scrape_configs"]}
    asked = {job for rule in ALERTS for job in re.findall(r'job="([^"]+)"', rule["expr"])}
    assert asked <= jobs
