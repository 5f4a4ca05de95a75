"""Overview: does the cache earn its keep, how fast is it, and what goes wrong."""

from typing import Final

from grafana.source.boards import Board, Row
from grafana.source.panels import QUANTILES, Lines, Panel, Stat, Table, worse_from
from grafana.source.queries import RATE, Series, gain, level, or_zero, quantile, rate, share, targets_lost

RESULTS: Final = {
    "hit": "green",
    "partial": "light-green",
    "collapsed": "blue",
    "miss": "yellow",
    "bypass": "text",
    "refused": "purple",
    "error": "red",
}
"""How a request can be answered, and its colour in every panel."""
CACHEABLE: Final = "=~hit|partial|collapsed|miss"
"""Requests that the cache was asked for, and that were answered."""
_UNDER_ITS_KEY: Final = "!~semantic|missing"  # sources where an entry was found exactly
_REQUESTS: Final = "askonce_requests_total"
_LOOKUPS: Final = "askonce_lookups_total"

_HIT_RATE = Stat(
    title="Hit rate",
    help="Share of answered, cacheable requests that came whole from the cache, exact or by meaning: hit / (hit + "
    "partial + collapsed + miss). No value is good everywhere: compare it with last week's. Where it falls, see why "
    "answers are not kept, below.",
    series=(Series(share(gain(_REQUESTS, result="hit"), gain(_REQUESTS, result=CACHEABLE)), "hit rate"),),
    unit="percentunit",
    ceiling=1,
    decimals=1,
    nothing="no requests",
)
_NOT_ASKED = Stat(
    title="Not asked twice",
    help="As the hit rate, with requests that joined another's answer while it arrived (collapsed): all that no "
    "provider was asked for. No value is good everywhere.",
    series=(
        Series(share(gain(_REQUESTS, result="=~hit|collapsed"), gain(_REQUESTS, result=CACHEABLE)), "not asked twice"),
    ),
    unit="percentunit",
    ceiling=1,
    decimals=1,
    nothing="no requests",
)
_MONEY = (
    Stat(
        title="Dollars saved",
        help="What hits would have cost again, at the price that was paid for their answers. Stays 0 while models "
        "have no price: see unpriced answers under Models and tenants.",
        series=(Series(or_zero(gain("askonce_saved_dollars_total")), "saved"),),
        unit="currencyUSD",
    ),
    Stat(
        title="Dollars spent",
        help="What providers' answers cost, as far as prices are known. Good is what your budget says.",
        series=(Series(or_zero(gain("askonce_spent_dollars_total")), "spent"),),
        unit="currencyUSD",
    ),
    Stat(
        title="Tokens saved",
        help="Tokens, of prompts and of answers, that hits did not cost again. To be read beside the tokens paid, "
        "below.",
        series=(Series(or_zero(gain("askonce_tokens_saved_total")), "saved"),),
        unit="short",
    ),
)
_ERRORS = Stat(
    title="Errors",
    help="Share of all requests that ended in an error, of a provider or of the proxy. Good is below 1 %. Else look "
    "at upstream by status under Models and tenants, then at the frontends' logs.",
    series=(Series(or_zero(share(gain(_REQUESTS, result="error"), gain(_REQUESTS))), "errors"),),
    unit="percentunit",
    ceiling=1,
    decimals=2,
    steps=worse_from(0.01, 0.05),
)
_KINDS_OF_HITS = Lines(
    title="Hit rate: exact, by meaning, in part",
    help="Exact and by meaning: share of all parts looked up (a request is one; for embeddings each text) found "
    "under their own key, or as a question that means the same. In part: share of cacheable requests of which some "
    "parts were found and the rest asked. No value is good everywhere; a sudden fall means that prompts changed.",
    series=(
        Series(share(rate(_LOOKUPS, source=_UNDER_ITS_KEY), rate(_LOOKUPS)), "exact"),
        Series(share(rate(_LOOKUPS, source="semantic"), rate(_LOOKUPS)), "by meaning"),
        Series(share(rate(_REQUESTS, result="partial"), rate(_REQUESTS, result=CACHEABLE)), "in part"),
    ),
    unit="percentunit",
    width=12,
    ceiling=1,
    decimals=1,
    colors={"exact": "green", "by meaning": "blue", "in part": "yellow"},
    nothing="no requests",
)
_BY_RESULT = Lines(
    title="Requests per second, by result",
    help="Hits, requests answered in part or by joining another's answer (collapsed), misses, requests that went "
    "past the cache (bypass), refused by the proxy, and errors. Good is green on top of yellow, and no red.",
    series=(Series(rate(_REQUESTS, "result"), "{{result}}"),),
    unit="reqps",
    many=True,
    width=12,
    stacked=True,
    colors=RESULTS,
)


def _latency(title: str, result: str, about: str) -> Lines:
    return Lines(
        title=title,
        help=about,
        series=tuple(
            Series(quantile(part, "askonce_request_seconds", result=result), f"p{part * 100:.0f}")
            for part in (0.5, 0.95, 0.99)
        ),
        unit="s",
        colors=QUANTILES,
        nothing="no such request in this time",
    )


_LATENCIES = (
    _latency(
        "Latency of hits",
        "hit",
        "From a request's head until a hit is ready to write. Good is milliseconds: p99 above 50 ms means a slow "
        "store (see Stores), or frontends without a free core (add some).",
    ),
    _latency(
        "Latency of misses",
        "=~miss|partial",
        "From a request's head to the last byte of what a provider answered. It is the provider's own time: compare "
        "it with upstream latency under Models and tenants. A gap between the two is the proxy's.",
    ),
)
_TOKENS = Lines(
    title="Tokens per second: saved and paid",
    help="Tokens that hits did not cost again, beside those of providers' answers. Good is much saved for what is "
    "paid.",
    series=(
        Series(rate("askonce_tokens_saved_total"), "saved"),
        Series(rate("askonce_tokens_total"), "paid"),
    ),
    unit="short",
    colors={"saved": "green", "paid": "yellow"},
)
_DOLLARS = Lines(
    title="Dollars per hour: saved and spent",
    help="At the pace of the moment. Both stay 0 while models have no price. Where spent rises and saved does not, "
    "traffic is new questions, or answers are not kept.",
    series=(
        Series(f"{rate('askonce_saved_dollars_total')} * 3600", "saved"),
        Series(f"{rate('askonce_spent_dollars_total')} * 3600", "spent"),
    ),
    unit="currencyUSD",
    colors={"saved": "green", "spent": "yellow"},
)
_REFUSALS = Lines(
    title="Errors and refusals per second",
    help="Errors are a provider's or the proxy's; refused are requests without a valid key, over a limit or "
    "malformed. Good is none. Many refused from one moment on: a client with a wrong key, or a limit that is reached.",
    series=(
        Series(or_zero(rate(_REQUESTS, result="error")), "error"),
        Series(or_zero(rate(_REQUESTS, result="refused")), "refused"),
    ),
    unit="reqps",
    colors=RESULTS,
)
_HELP_OF_OTHERS = Lines(
    title="Upstream: retries and fallbacks",
    help="Tries after the first, and questions asked under another model's name because a whole group failed, in "
    "each interval. Good is none; each is an answer that a failing provider did not cost a client. See deployment "
    "failures.",
    series=(
        Series(or_zero(gain("askonce_upstream_retries_total", over=RATE)), "retries"),
        Series(or_zero(gain("askonce_fallbacks_total", "outcome", over=RATE), "outcome"), "fallback: {{outcome}}"),
    ),
    unit="short",
    many=True,
    bars=True,
)
_KEPT = Lines(
    title="Answers kept per second",
    help="Providers' answers that went into the cache, by call type. Good is about as many as misses; where it is "
    "far less, the panel beside says why.",
    series=(Series(rate("askonce_kept_total", "call_type"), "{{call_type}}"),),
    unit="ops",
    many=True,
)
_SKIPPED = Lines(
    title="Answers not kept per second, by reason",
    help="Why a provider's answer did not go into the cache: its status, its size, a client that asked for none, and "
    "so on. Some is normal. Much `too-large` or `incomplete` is worth a look at what clients ask.",
    series=(Series(or_zero(rate("askonce_skipped_total", "reason"), "reason"), "{{reason}}"),),
    unit="ops",
    many=True,
    stacked=True,
)
_FLIGHTS = Lines(
    title="Answers arriving now",
    help="Upstream answers under way, of all frontends. It follows misses times their latency. A rise without more "
    "traffic means that a provider slows down.",
    series=(Series(level("askonce_flights"), "under way"),),
    unit="short",
)
_VERSIONS = Table(
    title="Versions",
    help="Addresses that answer scrapes, what runs there, and its version. Good is one version; two stand side by "
    "side only while an upgrade rolls.",
    series=(Series(level("askonce_build_info", "instance", "process", "version"), "Up"),),
    unit="locale",
    width=12,
    height=7,
    decimals=0,
    first={"instance": "Instance", "process": "Process", "version": "Version"},
)
_UP: tuple[Panel, ...] = (
    Stat(
        title="Addresses up",
        help="Addresses of frontends and writers that answer Prometheus. Good is as many as you started; `askonce "
        "up` is one address for all its processes.",
        series=(Series(or_zero(level("askonce_build_info", "process", how="count"), "process"), "{{process}}"),),
        unit="locale",
        height=7,
        decimals=0,
        steps=(("red", None), ("green", 1)),
    ),
    Stat(
        title="Addresses lost",
        help="Addresses that Prometheus knows and does not reach. Good is 0. Else look whether the process runs, and "
        "at its log; while something is scaled down it may stand here for a moment.",
        series=(Series(targets_lost(), "lost"),),
        unit="locale",
        height=7,
        decimals=0,
        steps=worse_from(1),
    ),
    Stat(
        title="Requests",
        help="All requests in the time shown, whatever came of them. It says how much the shares above rest on: a "
        "hit rate of ten requests means little.",
        series=(Series(or_zero(gain(_REQUESTS)), "requests"),),
        unit="locale",
        height=7,
        decimals=0,
    ),
)

OVERVIEW: Final = Board(
    "overview",
    "Overview",
    "Does the cache earn its keep, how fast is it, and what goes wrong. Figures on top are of all the time shown.",
    (
        Row("Does it earn its keep", (_HIT_RATE, _NOT_ASKED, *_MONEY, _ERRORS, _KINDS_OF_HITS, _BY_RESULT)),
        Row("Speed, tokens and money", (*_LATENCIES, _FLIGHTS, _TOKENS, _DOLLARS, _KEPT)),
        Row("What goes wrong", (_REFUSALS, _HELP_OF_OTHERS, _SKIPPED)),
        Row("Processes", (*_UP, _VERSIONS)),
    ),
)
