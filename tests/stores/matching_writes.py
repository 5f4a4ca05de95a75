"""Of the suite in `tests.stores.matching`: what keeping, keeping again, deleting and sweeping do to what is found."""

from dataclasses import replace

from tests.stores.contract import make_key
from tests.stores.points import A, B, Matching, asked, exact_only, make_point, refreshed, tilted


class MatcherWritesContract:
    """Subclasses give the fixture `matching`, a store that holds nothing yet."""

    async def test_without_a_vector_an_entry_is_found_by_its_key_only(self, matching: Matching) -> None:
        plain, entry = make_point(matching.clock, "plain"), make_point(matching.clock, "with", B)
        await matching.writer.put([plain, entry])
        await matching.eventually(asked(A), [entry])
        assert await matching.exact(plain, entry) == [plain, exact_only(entry)]

    async def test_a_vector_may_come_later_than_its_entry(self, matching: Matching) -> None:
        entry = make_point(matching.clock, values=A)
        await matching.writer.put([exact_only(entry)])
        await matching.writer.put([entry])
        await matching.eventually(asked(A), [entry])
        assert await matching.exact(entry) == [exact_only(entry)]

    async def test_deleting_takes_an_entry_out_of_matching(self, matching: Matching) -> None:
        goes, stays = make_point(matching.clock, "goes", A), make_point(matching.clock, "stays", tilted(A, 0.5))
        await matching.writer.put([goes, stays])
        await matching.eventually(asked(A), [goes, stays])
        await matching.writer.delete([goes.key, make_key("unknown"), goes.key])
        await matching.eventually(asked(A), [stays], limit=1)
        assert await matching.exact(goes, stays) == [None, exact_only(stays)]

    async def test_what_is_kept_again_without_a_vector_is_not_matched_by_its_old_one(self, matching: Matching) -> None:
        entries = [make_point(matching.clock, name, A) for name in ("deleted", "removed")]
        await matching.writer.put(entries)
        await matching.writer.delete([entries[0].key])
        await matching.writer.remove([entries[1]])
        witness = make_point(matching.clock, "witness", B)
        await matching.writer.put([*map(exact_only, entries), witness])
        await matching.eventually(asked(A), [witness])

    async def test_a_deleted_key_may_be_kept_and_matched_again(self, matching: Matching) -> None:
        entry = make_point(matching.clock, values=A)
        for _ in range(2):
            await matching.writer.put([entry])
            await matching.eventually(asked(A), [entry])
            await matching.writer.delete([entry.key])
            await matching.eventually(asked(A), [])

    async def test_removing_this_very_answer_takes_it_out_of_matching(self, matching: Matching) -> None:
        goes, stays = make_point(matching.clock, "goes", A), make_point(matching.clock, "stays", tilted(A, 0.5))
        await matching.writer.put([goes, stays])
        await matching.eventually(asked(A), [goes, stays])
        await matching.writer.remove([goes, make_point(matching.clock, "absent", A)])
        await matching.eventually(asked(A), [stays])

    async def test_removing_spares_another_answer_of_the_key(self, matching: Matching) -> None:
        entry = make_point(matching.clock, values=A)
        younger = refreshed(entry)
        await matching.writer.put([younger])
        await matching.writer.remove([entry, refreshed(entry, 2.0)])
        await matching.eventually(asked(A), [younger])
        await matching.writer.remove([younger])
        await matching.eventually(asked(A), [])

    async def test_a_flush_takes_out_of_matching_what_its_proxy_kept(self, matching: Matching) -> None:
        now = matching.clock.now
        homes = ("team", "team", "", "team2")
        entries = [
            replace(make_point(matching.clock, n, tilted(A, 0.9 - n / 10), namespace="team"), home=home)
            for n, home in enumerate(homes)
        ]
        later = replace(make_point(matching.clock, "later", tilted(A, 0.95), namespace="team"), home="team")
        later = replace(later, stored_at=now + 1)
        await matching.writer.put([*entries, later])
        await matching.eventually(asked(A), [later, *entries])
        assert await matching.writer.flush("team", now) == 2
        await matching.eventually(asked(A), [later, *entries[2:]])
        assert await matching.exact(*entries) == [None, None, *map(exact_only, entries[2:])]
        again = refreshed(exact_only(entries[0]), 2.0)
        witness = make_point(matching.clock, "witness", tilted(A, 0.99))
        await matching.writer.put([again, witness])
        await matching.eventually(asked(A), [witness, later, *entries[2:]])

    async def test_a_repeat_does_not_make_two(self, matching: Matching) -> None:
        entries = [make_point(matching.clock, n, tilted(A, 0.9 - n / 10)) for n in range(3)]
        for _ in range(3):
            await matching.writer.put(entries)
        await matching.writer.put([*entries, *entries])
        await matching.eventually(asked(A), entries, limit=10)

    async def test_a_refresh_replaces_what_is_given(self, matching: Matching) -> None:
        entry = make_point(matching.clock, values=A, ttl=10.0)
        await matching.writer.put([entry])
        await matching.eventually(asked(A), [entry])
        newer = refreshed(entry, 9.0)
        await matching.writer.put([newer])
        await matching.eventually(asked(A), [newer])
        matching.clock.advance(12.0)
        await matching.eventually(asked(A), [newer])

    async def test_an_older_answer_replaces_nothing(self, matching: Matching) -> None:
        entry = make_point(matching.clock, values=A, ttl=10.0)
        newer = refreshed(entry, 9.0)
        await matching.writer.put([newer, entry])
        await matching.writer.put([entry])
        matching.clock.advance(12.0)
        await matching.eventually(asked(A), [newer])

    async def test_the_sweep_takes_what_has_expired_and_no_more(self, matching: Matching) -> None:
        short = [make_point(matching.clock, n, tilted(A, 0.9, n), ttl=10.0) for n in range(5)]
        rest = [make_point(matching.clock, "long", A), make_point(matching.clock, "endless", B, ttl=None)]
        await matching.writer.put([*short, *rest])
        assert await matching.writer.sweep(matching.clock.now) == 0
        await matching.eventually(asked(A), [rest[0]], limit=1)
        matching.clock.advance(10.0)
        await matching.writer.sweep(matching.clock.now)
        assert await matching.writer.sweep(matching.clock.now) == 0
        await matching.eventually(asked(A), rest, limit=10)
