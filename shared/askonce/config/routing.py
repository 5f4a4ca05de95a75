"""Which deployment of a group is asked, and what follows when it fails: `router_settings`, and `litellm_settings`
below it. Knows no deployment's own settings.

Source: LiteLLM's pages on load balancing and on reliability. What differs: docs/decisions/0061.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, TypeVar, cast, get_args

from askonce.config.names import Names
from askonce.config.patterns import STAR
from askonce.config.policies import RoutingSettings, Strategy
from askonce.config.section import Section
from askonce.config.surface.rows import NOT_KNOWN
from askonce.config.surface.sections import ARGUMENTS
from askonce.config.surface.table import setting
from askonce.config.values import Wrong, above_zero, flag, line, listing, mapping, number, one_of, positive, whole

T = TypeVar("T")

_LATENCY: Final[Strategy] = "latency-based-routing"
_USAGE: Final[Strategy] = "usage-based-routing-v2"
_USAGE_ONE: Final = "usage-based-routing"  # LiteLLM's first of that kind, which counts in each process
_SHOWN: Final = 100  # characters of a name
_RULES: Final = 'must be a list such as [{"gpt-4o": ["gpt-4o-mini"]}]'


class Said(NamedTuple):
    """The two sections that may say it. What the second says beside the first is listed."""

    router: Section
    litellm: Section

    def get(self, name: str, read: Callable[[Section, str], T | None]) -> T | None:
        above, below = read(self.router, name), read(self.litellm, name)
        if above is None:
            return below
        if below is not None:
            self.router.notes.ignore(self.litellm.key(name), f"has no effect beside {self.router.key(name)}")
        return above

    def value(self, name: str, parse: Callable[[Any], T]) -> T | None:
        return self.get(name, lambda section, member: section.get(member, parse))


def read_routing(router: Section, litellm: Section, names: Names) -> RoutingSettings:
    """`names` are those that clients may ask for: a fallback to any other, or from one, is noted as wrong."""
    said = Said(router, litellm)

    def rules(name: str) -> dict[str, tuple[str, ...]] | None:
        return said.get(name, lambda section, member: _rules(section, member, names))

    strategy = router.get("routing_strategy", _strategy)
    fallbacks = rules("fallbacks") or {}
    usual = said.get("default_fallbacks", lambda section, member: _listed(section, member, names))
    found = {
        "strategy": strategy,
        **_arguments(router, strategy),
        "num_retries": said.value("num_retries", whole),
        "retry_after": said.value("retry_after", number),
        "allowed_fails": said.value("allowed_fails", whole),
        "cooldown": _cooldown(said),
        "fallbacks": {name: others for name, others in fallbacks.items() if name != STAR},
        "default_fallbacks": fallbacks.get(STAR, usual),
        "context_window_fallbacks": rules("context_window_fallbacks"),
        "content_policy_fallbacks": rules("content_policy_fallbacks"),
        "max_fallbacks": router.get("max_fallbacks", whole),
        "caching_groups": _groups(router, "caching_groups", names),
    }
    return RoutingSettings.model_validate({name: value for name, value in found.items() if value is not None})


def _strategy(value: Any) -> Strategy:
    found = one_of(*get_args(Strategy), _USAGE_ONE)(value)
    return _USAGE if found == _USAGE_ONE else cast("Strategy", found)


def _arguments(router: Section, strategy: Strategy | None) -> dict[str, Any]:
    """`routing_strategy_args`, all of which are for one strategy."""
    section = router.section("routing_strategy_args")
    found = {
        "latency_ttl": section.get("ttl", positive),
        "latency_buffer": section.get("lowest_latency_buffer", number),
        "latency_samples": section.get("rolling_window_size", above_zero),
    }
    section.ignore_left(_why_argument)
    if strategy == _LATENCY:
        return found
    for name in section.values:
        section.notes.ignore(section.key(name), f"only for {_LATENCY}")
    return {}


def _why_argument(name: str) -> str:
    row = setting(ARGUMENTS.prefix, name)
    return NOT_KNOWN if row is None else row.words


def _cooldown(said: Said) -> float | None:
    """0 for none at all."""
    cooldown, never = said.value("cooldown_time", number), said.router.get("disable_cooldowns", flag)
    if not never:
        return cooldown
    beside = f"has no effect beside {said.router.key('disable_cooldowns')}"
    for section in said:
        if "cooldown_time" in section:
            section.notes.ignore(section.key("cooldown_time"), beside)
    return 0.0


def _rules(section: Section, name: str, names: Names) -> dict[str, tuple[str, ...]] | None:
    """Names to those that are asked in their place. Of two rules for one name the first counts, as in LiteLLM. The
    star, which stands for any name, needs no model.
    """
    rules = section.get(name, lambda value: list(_parted(value)))
    if rules is None:
        return None
    found: dict[str, tuple[str, ...]] = {}
    for where, model, others in rules:
        key = section.key(name) + where
        if model != STAR and not names.answering(model):
            section.notes.wrong(key, _nobody(model, section))
        if model in found:
            section.notes.ignore(key, "stands there twice, and the first counts")
        found.setdefault(model, _answered(section, key, others, names))
    return found


def _parted(value: Any) -> Iterator[tuple[str, str, list[Any]]]:
    """Where each rule stands, whose it is, and what it says: LiteLLM's list of mappings with one name, or one
    mapping.
    """
    if isinstance(value, dict):
        parts = [(f".{name}", name, others) for name, others in mapping(value).items()]
    else:
        parts = []
        for at, rule in enumerate(listing(value)):
            if not isinstance(rule, dict) or len(rule) != 1:
                raise Wrong(_RULES)
            parts += [(f"[{at}].{name}", name, others) for name, others in mapping(rule).items()]
    for where, name, others in parts:
        if not isinstance(others, list):
            raise Wrong(_RULES)
        yield where, name, others


def _listed(section: Section, name: str, names: Names) -> tuple[str, ...] | None:
    found = section.get(name, listing)
    return None if found is None else _answered(section, section.key(name), found, names)


def _groups(section: Section, name: str, names: Names) -> tuple[tuple[str, ...], ...] | None:
    groups = section.get(name, _lists)
    if groups is None:
        return None
    key = section.key(name)
    return tuple(_answered(section, f"{key}[{at}]", group, names) for at, group in enumerate(groups))


def _lists(value: Any) -> list[list[Any]]:
    if not isinstance(value, list) or not all(isinstance(group, list) for group in value):
        raise Wrong('must be a list of lists such as [["gpt-4o", "gpt-4o-eu"]]')
    return value


def _answered(section: Section, key: str, listed: list[Any], names: Names) -> tuple[str, ...]:
    """The names of a list. One that nothing answers to is noted as wrong."""
    found = []
    for at, value in enumerate(listed):
        try:
            found.append(line(value))
        except Wrong as wrong:
            section.notes.wrong(f"{key}[{at}]", str(wrong))
            continue
        if not names.answering(found[-1]):
            section.notes.wrong(f"{key}[{at}]", _nobody(found[-1], section))
    return tuple(found)


def _nobody(name: str, section: Section) -> str:
    """Names of models are no secrets; what a variable holds may be one."""
    if name in section.variables.values():
        return "must be a name that model_list answers to"
    return f'"{name[:_SHOWN]}" is not in model_list'
