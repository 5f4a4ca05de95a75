"""What a process's scrape shows: what it touched, at 0 what it may say, and no more words than were promised."""

from importlib.metadata import version

import pytest
from prometheus_client.parser import text_string_to_metric_families

from askonce.telemetry.beginning import begin
from askonce.telemetry.metrics import METRICS, MOST_WORDS, OTHERS, Metrics


def scraped(metrics: Metrics) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_a_scrape_has_what_was_touched_and_nothing_else() -> None:
    metrics = Metrics()
    assert scraped(metrics) == {}
    metrics.counter("askonce_kept_total", "embedding").inc()
    metrics.gauge("askonce_queue_bytes").set(7)
    assert scraped(metrics) == {("askonce_kept_total", "embedding"): 1, ("askonce_queue_bytes",): 7}


def test_a_process_begins_with_every_combination_of_its_words_at_0() -> None:
    metrics = Metrics()
    begin(metrics, "writer", {"askonce_writer_retries_total": [["disk", "s3"], ["failed", "store-unavailable"]]})
    assert scraped(metrics) == {
        ("askonce_build_info", "writer", version("askonce")): 1,
        **{
            ("askonce_writer_retries_total", why, store): 0
            for store in ("disk", "s3")
            for why in ("failed", "store-unavailable")
        },
    }


def test_a_frontend_begins_with_its_counters_without_labels_and_no_gauge_that_nobody_knows() -> None:
    metrics = Metrics()
    begin(metrics, "frontend", {})
    names = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name, *_ in scraped(metrics)}
    plain = {one.name for one in METRICS if one.by == ("frontend",) and not one.labels and one.kind != "gauge"}
    assert names == {"askonce_build_info", *plain}
    assert "askonce_outbox_retries_total" in plain


def test_what_was_counted_before_is_no_less_for_it() -> None:
    metrics = Metrics()
    metrics.counter("askonce_outbox_retries_total").inc(3)
    metrics.counter("askonce_kept_total", "embedding").inc(2)
    begin(metrics, "frontend", {"askonce_kept_total": [["embedding", "rerank"]]})
    told = scraped(metrics)
    assert told["askonce_outbox_retries_total",] == 3
    assert (told["askonce_kept_total", "embedding"], told["askonce_kept_total", "rerank"]) == (2, 0)


def test_the_first_hundred_words_of_a_label_are_told_and_those_after_are_others() -> None:
    metrics = Metrics()
    names = [f"team {n}" for n in range(MOST_WORDS)]
    assert [metrics.bounded("team", name) for name in names] == names
    assert {metrics.bounded("team", f"late {n}") for n in range(50)} == {OTHERS}
    assert metrics.bounded("team", names[0]) == names[0]
    assert metrics.bounded("elsewhere", "late 1") == "late 1"


def test_a_metric_is_of_one_kind() -> None:
    with pytest.raises(TypeError, match="askonce_flights is no Counter"):
        Metrics().counter("askonce_flights")
