"""What the page of symptoms quotes is what the code says."""

import re
from pathlib import Path

from askonce.config.settings import ProxySettings
from askonce.telemetry.metrics import METRICS
from tests.docs.reading import DOCS, SPAN, page

ROOT = DOCS.parent
CODE = "\n".join(path.read_text() for root in ("frontend", "writer", "shared") for path in (ROOT / root).rglob("*.py"))
TEXT = page("troubleshooting.md")
WORD = re.compile(r"[a-z]+(_[a-z]+)+")


SPANS = set(SPAN.findall(re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)))


def test_metrics_are_those_of_the_table() -> None:
    named = {span.partition("{")[0] for span in SPANS if span.startswith("askonce_")}
    assert named
    assert named <= {metric.name for metric in METRICS}


def test_words_with_underscores_are_settings_events_or_types_of_errors() -> None:
    words = {span for span in SPANS if WORD.fullmatch(span) and not span.startswith("askonce_")}
    ours = {"evicted_keys", "data_dir"} | set(ProxySettings.model_fields)
    assert words
    assert {word for word in words - ours if f'"{word}"' not in CODE and f'get("{word}"' not in CODE} == set()


def test_reasons_are_words_of_the_header() -> None:
    table = TEXT.partition("## Every answer is a miss")[2].partition("\n## ")[0]
    reasons = [
        cell for line in table.splitlines() if line.startswith("| `") for cell in SPAN.findall(line.split("|")[1])
    ]
    assert len(reasons) > 5
    assert [word for word in reasons if f'"{word}"' not in CODE and word not in {"key", "stored"}] == []


def test_quoted_messages_are_printed_by_the_code() -> None:
    for said in (
        "cannot be had (",
        "another `askonce up` holds",
        "stands in public documentation, so that everybody has it",
        "is not ready: ",
    ):
        assert said in TEXT
        assert said in CODE


def test_the_page_names_no_file_that_is_not_there() -> None:
    assert [path for path in re.findall(r"`(compose/[\w./-]+)`", TEXT) if not Path(ROOT, path).exists()] == []
