"""Models and tenants: what each model and each team asks, saves and spends, and how providers answer."""

from typing import Final

from grafana.source.boards import Board, Row
from grafana.source.overview import CACHEABLE, RESULTS
from grafana.source.panels import Bars, Lines, Stat, Table, worse_from
from grafana.source.queries import RATE, Series, gain, level, or_zero, quantile, rate, share, spelt

_REQUESTS: Final = "askonce_requests_total"
_OF_TEAMS: Final = "askonce_team_requests_total"
_DOLLARS: Final = "currencyUSD"
_NO_TEAMS: Final = "no keys of teams in use"


def _by_model(expr: str) -> str:
    return spelt(expr, "model", "(no model)")


def _by_team(expr: str) -> str:
    return or_zero(expr, "team")


def _of_all(expr: str, whole: str) -> str:
    """0 for those that the whole knows and the query does not."""
    return f"({expr}) or ({whole}) * 0"


_ASKED = gain(_REQUESTS, "model")
_TABLE = Table(
    title="Models in the time shown",
    help="By the name in `model_list`. `(no model)` are requests refused before one was known. Unpriced answers cost "
    "money that is in no sum: give the model a price. No hit rate is good everywhere.",
    series=(
        Series(_by_model(_ASKED), "Requests"),
        Series(
            _by_model(share(gain(_REQUESTS, "model", result="hit"), gain(_REQUESTS, "model", result=CACHEABLE))),
            "Hit rate",
        ),
        Series(_by_model(_of_all(gain("askonce_tokens_saved_total", "model"), _ASKED)), "Tokens saved"),
        Series(_by_model(_of_all(gain("askonce_tokens_total", "model"), _ASKED)), "Tokens paid"),
        Series(_by_model(_of_all(gain("askonce_saved_dollars_total", "model"), _ASKED)), "Saved"),
        Series(_by_model(_of_all(gain("askonce_spent_dollars_total", "model"), _ASKED)), "Spent"),
        Series(_by_model(_of_all(gain("askonce_unpriced_answers_total", "model"), _ASKED)), "Unpriced answers"),
    ),
    unit="locale",
    decimals=0,
    first={"model": "Model"},
    units={"Hit rate": "percentunit", "Saved": _DOLLARS, "Spent": _DOLLARS},
    nothing="-",
    height=12,
)
_MODELS = (
    Lines(
        title="Requests per second, by model",
        help="All requests, whatever came of them. It says which model the load is on; `(no model)` are requests "
        "refused before one was known.",
        series=(Series(_by_model(rate(_REQUESTS, "model")), "{{model}}"),),
        unit="reqps",
        many=True,
        stacked=True,
    ),
    Lines(
        title="Hit rate by model",
        help="Hits by answered, cacheable requests. No value is good everywhere; a model that falls to 0 alone has "
        "new prompts, or its answers are not kept.",
        series=(
            Series(
                _by_model(share(rate(_REQUESTS, "model", result="hit"), rate(_REQUESTS, "model", result=CACHEABLE))),
                "{{model}}",
            ),
        ),
        unit="percentunit",
        many=True,
        ceiling=1,
        decimals=1,
        nothing="no requests",
    ),
    Lines(
        title="Tokens per second, by kind",
        help="Tokens of prompts and of answers, saved by hits and paid to providers. Good is much saved for what is "
        "paid.",
        series=(
            Series(rate("askonce_tokens_saved_total", "kind"), "saved: {{kind}}"),
            Series(rate("askonce_tokens_total", "kind"), "paid: {{kind}}"),
        ),
        unit="short",
        many=True,
    ),
    Lines(
        title="Dollars per hour saved, by model",
        help="At the pace of the moment. It says where the cache pays; a model with price and hits that saves "
        "nothing is worth a look.",
        series=(Series(_by_model(f"{rate('askonce_saved_dollars_total', 'model')} * 3600"), "{{model}}"),),
        unit=_DOLLARS,
        many=True,
        stacked=True,
    ),
    Lines(
        title="Dollars per hour spent, by model",
        help="At the pace of the moment, as far as prices are known. A step up without more requests is longer "
        "prompts or answers.",
        series=(Series(_by_model(f"{rate('askonce_spent_dollars_total', 'model')} * 3600"), "{{model}}"),),
        unit=_DOLLARS,
        many=True,
        stacked=True,
    ),
    Lines(
        title="Unpriced answers, by model",
        help="Answers whose cost is not known, in each interval: no price, or no count of tokens. Good is none, else "
        "dollars are told too low: set prices in `model_info`.",
        series=(
            Series(
                _by_model(or_zero(gain("askonce_unpriced_answers_total", "model", over=RATE), "model")), "{{model}}"
            ),
        ),
        unit="short",
        many=True,
        bars=True,
    ),
)
_UPSTREAM = (
    Lines(
        title="Upstream latency",
        help="From asking a provider to the end of its answer, p50 and p95 by call type. It is the provider's; where "
        "it rises, routing to another deployment may help.",
        series=(
            Series(quantile(0.5, "askonce_upstream_seconds", "call_type"), "{{call_type}} p50"),
            Series(quantile(0.95, "askonce_upstream_seconds", "call_type"), "{{call_type}} p95"),
        ),
        unit="s",
        many=True,
        nothing="no provider asked in this time",
    ),
    Lines(
        title="Upstream: first byte",
        help="From asking a provider to its first byte, p50 and p95 by call type: what a client of a stream waits. "
        "Good is well below the latency of the whole answer.",
        series=(
            Series(quantile(0.5, "askonce_upstream_first_byte_seconds", "call_type"), "{{call_type}} p50"),
            Series(quantile(0.95, "askonce_upstream_first_byte_seconds", "call_type"), "{{call_type}} p95"),
        ),
        unit="s",
        many=True,
        nothing="no provider asked in this time",
    ),
    Lines(
        title="Upstream answers per second, by status",
        help="Good is 2xx alone. 4xx: wrong requests, or 429 of a limit of yours at the provider. 5xx and `error`: "
        "the provider, or the way to it.",
        series=(Series(rate("askonce_upstream_seconds", "status"), "{{status}}"),),
        unit="reqps",
        many=True,
        stacked=True,
        colors={"2xx": "green", "3xx": "blue", "4xx": "yellow", "5xx": "orange", "error": "red"},
    ),
    Lines(
        title="Deployment failures",
        help="Failures in each interval, by deployment (its model's name and its place in the group). Good is none. "
        "The metric has reasons: `429`, raise the limit there or add a deployment; `timeout` and `5xx`, the provider.",
        series=(
            Series(
                or_zero(gain("askonce_deployment_failures_total", "deployment", over=RATE), "deployment"),
                "{{deployment}}",
            ),
        ),
        unit="short",
        many=True,
        width=12,
        bars=True,
    ),
    Lines(
        title="Deployments left alone",
        help="1 while a deployment that failed is left alone, as far as others can answer. Good is 0. One that comes "
        "back and fails again needs somebody: see its provider.",
        series=(Series(or_zero(level("askonce_deployment_cooled", "deployment"), "deployment"), "{{deployment}}"),),
        unit="short",
        many=True,
        width=12,
        ceiling=1,
        decimals=0,
        steps=worse_from(1),
    ),
)
_WHOLE_TEAM = gain(_OF_TEAMS, "team")
_TEAMS = (
    Table(
        title="Teams in the time shown",
        help="Requests by virtual keys of a team; teams past the first hundred are together under `others`. No hit "
        "rate is good everywhere: compare teams that ask alike.",
        series=(
            Series(_by_team(_WHOLE_TEAM), "Requests"),
            Series(
                _by_team(share(gain(_OF_TEAMS, "team", result="hit"), gain(_OF_TEAMS, "team", result=CACHEABLE))),
                "Hit rate",
            ),
            Series(_by_team(_of_all(gain("askonce_team_saved_dollars_total", "team"), _WHOLE_TEAM)), "Saved"),
            Series(_by_team(_of_all(gain("askonce_team_spent_dollars_total", "team"), _WHOLE_TEAM)), "Spent"),
        ),
        unit="locale",
        width=12,
        height=9,
        decimals=0,
        first={"team": "Team"},
        units={"Hit rate": "percentunit", "Saved": _DOLLARS, "Spent": _DOLLARS},
        nothing="-",
    ),
    Lines(
        title="Requests per second of teams, by result",
        help="Requests by virtual keys of teams, whatever came of them. Good is much green and no red; much "
        "`refused` is a team at its limit.",
        series=(Series(or_zero(rate(_OF_TEAMS, "result"), "result"), "{{result}}"),),
        unit="reqps",
        many=True,
        width=12,
        stacked=True,
        colors=RESULTS,
        nothing=_NO_TEAMS,
    ),
)
_LIMITS = (
    Bars(
        title="Refused by a limit",
        help="Requests refused in the time shown because a key, a team or a model had reached its limit. Good is "
        "what you meant by the limits; else raise them with /key/update.",
        series=(Series(or_zero(gain("askonce_limited_total", "kind"), "kind"), "{{kind}}"),),
        unit="locale",
        width=12,
        height=5,
        decimals=0,
    ),
    Stat(
        title="Limits counted",
        help="Together where all frontends share one count; apart while one of them counts for itself, so that "
        "limits may be exceeded as often as there are frontends. Good is together, or apart with a single frontend.",
        series=(Series(or_zero(level("askonce_limits_shared", how="min")), "limits"),),
        unit="short",
        height=5,
        words={"0": ("apart", "text"), "1": ("together", "green")},
    ),
    Stat(
        title="Keys remembered",
        help="Virtual keys that frontends remember, those of several counted for each. It says how many are in use; "
        "none where only the master key is.",
        series=(Series(or_zero(level("askonce_keys_seen")), "keys"),),
        unit="locale",
        height=5,
        decimals=0,
    ),
    Stat(
        title="Keys unconfirmed",
        help="Requests in the time shown let in by a key seen before, because the bucket of keys in NATS did not "
        "answer. Good is 0: a key deleted meanwhile may still have worked. Look at NATS.",
        series=(Series(or_zero(gain("askonce_keys_unconfirmed_total")), "unconfirmed"),),
        unit="locale",
        height=5,
        decimals=0,
        steps=worse_from(1),
    ),
)

MODELS: Final = Board(
    "models",
    "Models and tenants",
    "What each model and each team asks, saves and spends, and how providers answer.",
    (
        Row("Models", (_TABLE, *_MODELS)),
        Row("Providers", _UPSTREAM),
        Row("Teams", _TEAMS),
        Row("Keys and limits", _LIMITS),
    ),
)
