"""Questions by their bytes: bounded, the ones used longest ago first, each credential by itself."""

import tracemalloc

import orjson

from askonce.calls.embeddings import EMBEDDINGS
from askonce.frontend.question import Question
from askonce.frontend.remembered import Mark, Remembered
from tests.frontend.kit import ask, place

BUDGET = 8 << 20
LARGEST = 32 * 1024
QUESTION = place(ask())


def mark(number: int, size: int = 100, *headers: str | None) -> Mark:
    return (b"%*d" % (size, number), headers)


def put(remembered: Remembered, given: Mark, question: Question = QUESTION) -> None:
    remembered.put(given, len(given[0]), question)


def known(remembered: Remembered, *marks: Mark) -> list[bool]:
    return [remembered.get(one) is not None for one in marks]


def test_a_question_is_known_by_its_bytes_and_headers() -> None:
    remembered, other = Remembered(), place(ask())
    put(remembered, mark(1, 100, "Bearer a", None), QUESTION)
    put(remembered, mark(1, 100, "Bearer b", None), other)
    assert remembered.get(mark(1, 100, "Bearer a", None)) is QUESTION
    assert remembered.get(mark(1, 100, "Bearer b", None)) is other
    strangers = [
        mark(1), mark(1, 100, None, None), mark(1, 100, "Bearer a"), mark(1, 100, "Bearer a", "no-cache"),
        mark(1, 100, None, "Bearer a"), mark(2, 100, "Bearer a", None), mark(1, 101, "Bearer a", None),
    ]  # fmt: skip
    assert known(remembered, *strangers) == [False] * len(strangers)


def test_the_first_to_be_remembered_stays() -> None:
    remembered = Remembered()
    put(remembered, mark(1), QUESTION)
    put(remembered, mark(1), place(ask()))
    assert remembered.get(mark(1)) is QUESTION


def test_what_was_used_longest_ago_goes_first() -> None:
    trial = Remembered()
    for n in range(500):
        put(trial, mark(n, 30_000))
    fits = sum(known(trial, *(mark(n, 30_000) for n in range(500))))
    assert 10 < fits < 500
    remembered = Remembered()
    for n in range(fits):
        put(remembered, mark(n, 30_000))
    assert known(remembered, mark(0, 30_000)) == [True], "and is now the last to go"
    for n in range(fits, 2 * fits - 1):
        put(remembered, mark(n, 30_000))
    assert known(remembered, mark(0, 30_000), mark(1, 30_000), mark(fits - 1, 30_000)) == [True, False, False]


def test_large_bodies_are_not_remembered() -> None:
    remembered = Remembered()
    put(remembered, mark(1, LARGEST))
    put(remembered, mark(2, LARGEST + 1))
    put(remembered, mark(3, 100, *["x" * 8000] * 5))
    assert known(remembered, mark(1, LARGEST), mark(2, LARGEST + 1), mark(3, 100, *["x" * 8000] * 5)) == [
        True, False, False
    ]  # fmt: skip


def grown(remembered: Remembered, questions: list[tuple[Mark, Question]]) -> int:
    """Bytes that it holds of them after all were put in."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        while questions:
            given, question = questions.pop()
            put(remembered, (bytes(bytearray(given[0])), tuple(map(_copy, given[1]))), question)
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def _copy(header: str | None) -> str | None:
    return None if header is None else header.encode().decode()


def test_many_small_bodies_take_no_more_than_the_budget() -> None:
    assert grown(Remembered(), [(mark(n), QUESTION) for n in range(6000)]) < BUDGET


def test_headers_count_as_well() -> None:
    headers = ["max-age=1" + " " * 6000] * 4
    assert grown(Remembered(), [(mark(n, 10, *headers), QUESTION) for n in range(1000)]) < BUDGET


def test_the_lookups_of_a_question_count_as_well() -> None:
    """A body of 32 KB may ask for thousands of embeddings."""
    remembered = Remembered()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for n in range(12):
            body = {"model": "gpt-4o", "input": [f"{n}{m}" for m in range(3000)]}
            data = orjson.dumps(body)
            put(remembered, (data, ()), place(ask(orjson.loads(data), endpoint=EMBEDDINGS)))
        assert tracemalloc.get_traced_memory()[0] - before < BUDGET
    finally:
        tracemalloc.stop()
