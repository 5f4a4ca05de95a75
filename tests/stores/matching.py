"""What every store that matches by meaning does: one suite, which each such store's test module runs by subclassing.

What it finds stands here, and what writing does to it in `tests.stores.matching_writes`.
"""

import asyncio
from dataclasses import replace

import pytest

from askonce.core.entry import Lookup
from tests.stores.contract import NAMESPACES
from tests.stores.matching_writes import MatcherWritesContract
from tests.stores.points import (
    CLOSE,
    DIMENSIONS,
    A,
    B,
    Matching,
    asked,
    direction,
    entries_of,
    exact_only,
    make_point,
    similarities,
    tilted,
)


class MatcherContract(MatcherWritesContract):
    """Subclasses give the fixture `matching`, a store that holds nothing yet."""

    async def test_finds_an_entry_by_what_its_text_means(self, matching: Matching) -> None:
        entry = make_point(matching.clock, values=A, text="Wie hoch ist der Eiffelturm?")
        await matching.writer.put([entry])
        (found,) = await matching.eventually(asked(A), [entry])
        assert found.similarity == pytest.approx(1.0, abs=CLOSE)
        assert found.source == matching.reader.name == matching.writer.name
        assert found.entry.lookup.text == "Wie hoch ist der Eiffelturm?"
        assert found.entry.lookup.scope == entry.lookup.scope

    async def test_an_entry_with_a_vector_is_found_by_its_key_too(self, matching: Matching) -> None:
        entry = make_point(matching.clock, values=A)
        await matching.writer.put([entry])
        (found,) = await matching.reader.get([Lookup(entry.key)])
        assert found is not None
        assert exact_only(found.entry) == exact_only(entry)
        assert found.source == matching.reader.name
        assert found.similarity is None

    async def test_before_anything_is_kept_nothing_is_near(self, matching: Matching) -> None:
        assert await matching.reader.nearest(asked(A), 5) == []

    async def test_a_question_without_vector_or_scope_is_near_to_nothing(self, matching: Matching) -> None:
        entry = make_point(matching.clock, values=A)
        await matching.writer.put([entry])
        await matching.eventually(asked(A), [entry])
        assert await matching.reader.nearest(asked(None), 5) == []
        assert await matching.reader.nearest(replace(asked(A), scope=""), 5) == []

    async def test_the_best_comes_first_and_similarities_are_cosines(self, matching: Matching) -> None:
        cosines = [0.98, 0.9, 0.7, 0.3, 0.0, -0.4, -1.0]
        entries = [make_point(matching.clock, n, tilted(A, cosine, n)) for n, cosine in enumerate(cosines)]
        await matching.writer.put([entries[n] for n in (3, 0, 6, 5, 1, 4, 2)])
        found = await matching.eventually(asked(A), entries, limit=10)
        assert similarities(found) == pytest.approx(cosines, abs=CLOSE)

    async def test_what_is_less_alike_than_asked_is_left_out_but_for_the_best(self, matching: Matching) -> None:
        entries = [make_point(matching.clock, n, tilted(A, cosine, n)) for n, cosine in enumerate([0.95, 0.9, 0.5])]
        await matching.writer.put(entries)
        await matching.eventually(asked(A), entries)
        for least, expected in ((0.8, entries[:2]), (0.5 - 2 * CLOSE, entries), (0.99, entries[:1])):
            assert entries_of(await matching.reader.nearest(asked(A), 5, least)) == list(map(exact_only, expected))

    async def test_what_is_known_is_taken_from_there_and_the_rest_is_fetched(self, matching: Matching) -> None:
        entries = [make_point(matching.clock, n, tilted(A, cosine, n)) for n, cosine in enumerate([0.95, 0.9])]
        await matching.writer.put(entries)
        await matching.eventually(asked(A), entries)
        known = {entries[0].key: replace(exact_only(entries[0]), payload=b"known")}
        found = await matching.reader.nearest(asked(A), 5, -1.0, known.get)
        assert entries_of(found) == [known[entries[0].key], exact_only(entries[1])]
        known[entries[0].key] = replace(entries[0], lookup=Lookup(entries[0].key, "6" * 64))  # of another scope
        assert entries_of(await matching.reader.nearest(asked(A), 5, -1.0, known.get)) == [exact_only(entries[1])]

    async def test_the_length_of_a_vector_says_nothing(self, matching: Matching) -> None:
        entries = [
            make_point(matching.clock, "long", 40 * tilted(A, 0.9)),
            make_point(matching.clock, "short", 0.1 * B),
        ]
        await matching.writer.put(entries)
        found = await matching.eventually(asked(7 * A), entries)
        assert similarities(found) == pytest.approx([0.9, A.dot(B)], abs=CLOSE)

    async def test_a_question_in_the_opposite_direction_is_answered_with_negative_cosines(
        self, matching: Matching
    ) -> None:
        entries = [make_point(matching.clock, n, tilted(A, cosine, n)) for n, cosine in enumerate((0.5, 0.9))]
        await matching.writer.put(entries)
        found = await matching.eventually(asked(-A), entries)
        assert similarities(found) == pytest.approx([-0.5, -0.9], abs=CLOSE)

    @pytest.mark.parametrize("limit", [1, 3])
    async def test_gives_no_more_than_was_asked_for(self, matching: Matching, limit: int) -> None:
        entries = [make_point(matching.clock, n, tilted(A, 0.9 - n / 10)) for n in range(6)]
        await matching.writer.put(entries)
        await matching.eventually(asked(A), entries, limit=10)
        assert await matching.near(A, limit) == [exact_only(entry) for entry in entries[:limit]]

    async def test_another_scope_is_never_given(self, matching: Matching) -> None:
        others = [make_point(matching.clock, n, A, scope=f"another system prompt {n}") for n in range(20)]
        entry = make_point(matching.clock, "ours", tilted(A, 0.2))
        await matching.writer.put([*others, entry])
        await matching.eventually(asked(A), [entry])
        await matching.eventually(asked(A, scope="another system prompt 3"), [others[3]])
        assert await matching.reader.nearest(asked(A, scope="of nobody"), 5) == []

    async def test_another_space_is_never_given(self, matching: Matching) -> None:
        one = make_point(matching.clock, "one", A, space="openai/model.v1")
        two = make_point(matching.clock, "two", tilted(A, 0.5), space="openai-model.v1")
        await matching.writer.put([one, two])
        await matching.eventually(asked(A, space="openai/model.v1"), [one])
        await matching.eventually(asked(A, space="openai-model.v1"), [two])
        assert await matching.reader.nearest(asked(A, space="unknown"), 5) == []

    async def test_another_dimension_is_never_given_and_does_no_harm(self, matching: Matching) -> None:
        short = direction(3, DIMENSIONS // 2)
        narrow, wide = make_point(matching.clock, "narrow", short), make_point(matching.clock, "wide", A)
        await matching.writer.put([narrow])
        await matching.writer.put([wide, make_point(matching.clock, "elsewhere", short, scope="another")])
        await matching.eventually(asked(short), [narrow])
        await matching.eventually(asked(A), [wide])
        assert await matching.reader.nearest(asked(direction(4, 2 * DIMENSIONS)), 5) == []

    async def test_gives_until_the_end_and_not_at_it(self, matching: Matching) -> None:
        entry = make_point(matching.clock, values=A, ttl=100.0)
        await matching.writer.put([entry])
        matching.clock.advance(99.5)
        await matching.eventually(asked(A), [entry])
        matching.clock.advance(0.5)
        assert await matching.near(A) == []

    async def test_what_has_expired_takes_the_place_of_nobody(self, matching: Matching) -> None:
        short = [make_point(matching.clock, n, tilted(A, 0.99, n), ttl=10.0) for n in range(4)]
        entry = make_point(matching.clock, "long", tilted(A, 0.8), ttl=1000.0)
        await matching.writer.put([*short, entry])
        matching.clock.advance(10.0)
        await matching.eventually(asked(A), [entry], limit=1)

    async def test_an_end_that_is_past_already_and_none_at_all(self, matching: Matching) -> None:
        late = make_point(matching.clock, "late", A, ttl=0.0)
        endless = make_point(matching.clock, "endless", tilted(A, 0.9), ttl=None)
        await matching.writer.put([late, endless])
        matching.clock.advance(10 * 365 * 86400)
        await matching.eventually(asked(A), [endless])

    async def test_two_keys_may_mean_the_same(self, matching: Matching) -> None:
        entries = [make_point(matching.clock, n, A) for n in range(2)]
        last = make_point(matching.clock, "last", B)
        await matching.writer.put([*entries, last])
        await matching.eventually(asked(B), [last], limit=1)
        found = await matching.near(A, 2)
        assert {one.key for one in found} == {entry.key for entry in entries}

    async def test_the_right_one_of_a_thousand(self, matching: Matching) -> None:
        crowd = [make_point(matching.clock, n, direction(100 + n)) for n in range(1000)]
        nearer = [make_point(matching.clock, f"near {n}", A, scope=f"neighbour {n}") for n in range(50)]
        entry = make_point(matching.clock, "the right one", tilted(A, 0.9))
        for start in range(0, 1000, 250):
            await matching.writer.put(crowd[start : start + 250])
        await matching.writer.put([*nearer, entry])
        found = await matching.eventually(asked(A), [entry], limit=1)
        assert similarities(found) == pytest.approx([0.9], abs=CLOSE)
        for n in (0, 499, 999):
            await matching.eventually(asked(tilted(direction(100 + n), 0.95)), [crowd[n]], limit=1)

    async def test_many_askers_at_once(self, matching: Matching) -> None:
        entries = [make_point(matching.clock, n, direction(n), scope=n % 5) for n in range(40)]
        await matching.writer.put(entries)
        await matching.eventually(asked(direction(39), scope=4), [entries[39]], limit=1)
        numbers = [*range(40)] * 3
        answers = await asyncio.gather(*(matching.reader.nearest(asked(direction(n), scope=n % 5), 1) for n in numbers))
        assert [entries_of(found) for found in answers] == [[exact_only(entries[n])] for n in numbers]
        assert all(similarities(found) == pytest.approx([1.0], abs=CLOSE) for found in answers)

    @pytest.mark.parametrize("namespace", NAMESPACES)
    async def test_namespaces_of_every_form(self, matching: Matching, namespace: str) -> None:
        entry = make_point(matching.clock, values=A, namespace=namespace)
        other = make_point(matching.clock, values=A, namespace="other", scope="of the other namespace")
        await matching.writer.put([other, entry])
        await matching.eventually(asked(A), [entry])
        await matching.writer.delete([entry.key])
        await matching.eventually(asked(A), [])
        await matching.eventually(asked(A, scope="of the other namespace"), [other])

    @pytest.mark.parametrize(
        "odd",
        [
            "\"double\", 'single' and `back`",
            "{braces}, [brackets] | (pipes) - a dash",
            ")=>[KNN 5 @vector $v] @scope:{*} -@scope:{a|b} $v % ~ \\",
            "Grüße 🌍 \u202e漢字\u0000\ttab\r\nline",
            "",
        ],
    )
    async def test_texts_of_every_form(self, matching: Matching, odd: str) -> None:
        entry = make_point(matching.clock, values=A, text=odd)
        await matching.writer.put([entry])
        await matching.eventually(replace(asked(A), text=odd), [entry])

    async def test_a_model_may_be_called_anything(self, matching: Matching) -> None:
        spaces = ["azure/my model, v2: {large}|-", "Ünïcode 🌍", "x" * 300, "a" * 300, "local//srv/models/minilm"]
        entries = [make_point(matching.clock, n, A, space=space) for n, space in enumerate(spaces)]
        await matching.writer.put(entries)
        for entry, space in zip(entries, spaces, strict=True):
            await matching.eventually(asked(A, space=space), [entry])

    async def test_a_scope_that_is_none_finds_nothing_and_breaks_nothing(self, matching: Matching) -> None:
        entry = make_point(matching.clock, values=A)
        await matching.writer.put([entry])
        await matching.eventually(asked(A), [entry])
        for scope in ("*", "a|b", "}) @scope:{*", '"', entry.lookup.scope[:32], entry.lookup.scope + "0"):
            assert await matching.reader.nearest(replace(asked(A), scope=scope), 5) == []
