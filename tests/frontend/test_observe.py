"""What is counted of requests: by their model and their team, each with all its series once it is met."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from askonce.config.load import load
from askonce.core.entry import JSON, Entry, Found, Lookup, Usage
from askonce.core.key import CacheKey
from askonce.core.money import PICO
from askonce.frontend.counted import words
from askonce.frontend.deployments import for_clients
from askonce.frontend.observe import Observer, Result
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import MOST_WORDS, Metrics


class Scene:
    def __init__(self) -> None:
        self.metrics = Metrics()
        self.observer = Observer(["completion", "passed_through"], self.metrics, Log("test"), lambda: 1.0)

    def request(self, result: Result, model: str = "", team: str = "", costs: tuple[int, ...] = ()) -> None:
        observed = self.observer.begin("completion")
        observed.model, observed.team, observed.result = model, team, result
        observed.found = [_found(cost) for cost in costs]
        self.observer.end(observed)

    def told(self, name: str) -> dict[tuple[str, ...], float]:
        """The values of a counter by its labels, in the order of their names."""
        self.observer.flush()
        families = text_string_to_metric_families(self.metrics.render().decode())
        return {
            tuple(value for _, value in sorted(one.labels.items())): one.value
            for family in families
            for one in family.samples
            if one.name == name
        }


def _found(cost: int) -> Found:
    lookup = Lookup(CacheKey("", "0" * 64))
    return Found(Entry(lookup, b"{}", JSON, 1.0, None, "m", "completion", Usage(3, 5), "", cost), "memory")


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_model_that_is_met_has_all_its_results(scene: Scene) -> None:
    scene.request(Result.MISS, "gpt-*")
    scene.request(Result.HIT, "gpt-*", costs=(PICO // 4, PICO // 2))
    scene.request(Result.HIT, "gpt-*")
    told = scene.told("askonce_requests_total")
    assert told == {("completion", "gpt-*", result): 0.0 for result in Result} | {
        ("completion", "gpt-*", "miss"): 1, ("completion", "gpt-*", "hit"): 2,
    }  # fmt: skip
    assert scene.told("askonce_saved_dollars_total") == {("completion", "gpt-*"): 0.75}
    assert scene.told("askonce_tokens_saved_total")["completion", "prompt", "gpt-*"] == 6
    scene.request(Result.REFUSED)
    assert scene.told("askonce_requests_total")["completion", "", "refused"] == 1
    assert scene.told("askonce_saved_dollars_total").keys() == {("completion", "gpt-*")}


def test_requests_are_counted_for_their_team_and_those_without_one_for_none(scene: Scene) -> None:
    scene.request(Result.MISS, "m")
    scene.request(Result.MISS, "m", "search")
    scene.request(Result.HIT, "m", "search", costs=(PICO // 4,))
    scene.request(Result.HIT, "m", "search", costs=(PICO // 4,))
    scene.request(Result.REFUSED, "", "search")
    told = scene.told("askonce_team_requests_total")
    counts = {"hit": 2, "miss": 1, "refused": 1}
    assert told == {(result, "search"): counts.get(result, 0) for result in Result}
    assert scene.told("askonce_team_saved_dollars_total") == {("search",): 0.5}
    assert scene.told("askonce_team_spent_dollars_total") == {("search",): 0}


def test_teams_past_the_first_hundred_are_told_together(scene: Scene) -> None:
    for number in range(MOST_WORDS + 3):
        scene.request(Result.HIT, "m", f"team-{number}")
    scene.request(Result.HIT, "m", "team-0")
    told = {team: count for (how, team), count in scene.told("askonce_team_requests_total").items() if how == "hit"}
    assert len(told) == MOST_WORDS + 1
    assert (told["others"], told["team-0"], told["team-1"]) == (3, 2, 1)


@pytest.mark.parametrize(
    ("cache", "sources", "queued"),
    [
        ("{type: local}", ["memory", "missing"], False),
        ("{type: redis, host: h}", ["memory", "redis", "missing"], True),
        ("{type: redis-semantic, host: h, similarity_threshold: 0.9}",
         ["memory", "redis-semantic", "semantic", "missing"], True),
    ],
)  # fmt: skip
def test_what_is_begun_with_is_what_the_settings_make_possible(tmp_path, cache, sources, queued) -> None:
    (tmp_path / "config.yaml").write_text(f"litellm_settings: {{cache: true, cache_params: {cache}}}\n")
    settings = load(tmp_path / "config.yaml", {}, cwd=tmp_path)
    begun = words(settings, for_clients(settings).targets)
    assert list(begun["askonce_lookups_total"][1]) == sources
    assert ("askonce_outbox_dropped_total" in begun) is queued
    assert list(begun["askonce_deployment_failures_total"][0]) == ["*#1"]
