"""What an answer costs, by sums done by hand."""

import pytest

from askonce.config.policies import Prices, RoutingSettings
from askonce.core.entry import Usage
from askonce.core.money import shares
from askonce.frontend.accounts.prices import Metered, PriceList, token_price
from askonce.frontend.deployments import Target
from tests.frontend.kit import deployment

OWN = Prices(input_token=1.5e-7, output_token=6e-7, cached_token=7.5e-8)


def target(model: str = "m", provider: str = "openai", **more: object) -> Target:
    return Target(deployment(model, model, provider, **more), model)


@pytest.mark.parametrize(
    ("prices", "metered", "pico"),
    [
        (OWN, Metered(Usage(1000, 10)), 156_000_000),
        (OWN, Metered(Usage(1000, 10, 100)), 148_500_000),
        (OWN, Metered(), None),
        (Prices(input_token=0.0, output_token=0.0), Metered(), 0),
        (Prices(input_token=2e-8), Metered(Usage(1)), 20_000),
        (Prices(query=0.002), Metered(queries=1), 2_000_000_000),
        (Prices(character=1.5e-5), Metered(characters=4), 60_000_000),
        (Prices(second=0.0001), Metered(seconds=2.5), 250_000_000),
        (Prices(second=0.0001), Metered(), None),
        (Prices(input_token=1e9), Metered(Usage(1000)), None),
    ],
)
async def test_the_operators_prices_are_exact(prices: Prices, metered: Metered, pico: int | None) -> None:
    assert await PriceList().cost(target(prices=prices), metered) == pico


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        (target("gpt-4o-mini"), True),
        (target("ours", "azure", base_model="gpt-4o-mini"), True),
        (target("ours", "azure", base_model="azure/gpt-4o-mini"), True),
        (target("no-such-model"), False),
        (target("whisper-1"), False),
        (target("gpt-4o-mini", "hosted_vllm"), False),
    ],
)
async def test_other_prices_are_the_librarys(asked: Target, known: bool) -> None:
    cost = await PriceList().cost(asked, Metered(Usage(1000, 10)))
    assert (cost is not None) is known
    assert cost is None or cost > 0


def test_models_are_compared_by_the_operators_prices_and_else_by_the_librarys_where_costs_decide() -> None:
    own = target(prices=OWN)
    for strategy in ("cost-based-routing", "simple-shuffle"):
        price = token_price(RoutingSettings(strategy=strategy))
        assert price(own) == pytest.approx(7.5e-7)
        assert price(target("no-such-model")) is None
        assert price(target("gpt-4o-mini", "hosted_vllm")) is None
        assert price(target("gpt-4o-mini", prices=Prices(query=0.1))) is None
        listed = [price(target(name)) for name in ("gpt-4o-mini", "gpt-4o")]
        if strategy == "simple-shuffle":
            assert listed == [None, None]
        else:
            small, large = [one or 0.0 for one in listed]
            assert 0 < small < large


def test_shares_add_up() -> None:
    assert shares(10, [1, 1, 1]) == [4, 3, 3]
    assert shares(10, [0, 0]) == [10, 0]
    assert sum(shares(123_457, [5, 0, 17, 3])) == 123_457
