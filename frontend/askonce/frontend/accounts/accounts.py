"""What becomes of an answer's cost: counted, put down to who caused it. Who joined pays nothing."""

from collections.abc import Callable

from askonce.bus.protocols import Tally
from askonce.core.money import dollars
from askonce.frontend.accounts.ledger import Ledger
from askonce.frontend.accounts.prices import Metered, PriceList
from askonce.frontend.deployments import Target
from askonce.frontend.limits import Payer
from askonce.runtime.clock import timer
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics


class Accounts:
    def __init__(self, prices: PriceList, ledger: Ledger, metrics: Metrics) -> None:
        self._prices = prices
        self.ledger = ledger
        self._metrics = metrics

    def unpriced(self, target: Target) -> None:
        """Counts an answer whose cost nobody will know."""
        self._metrics.counter("askonce_unpriced_answers_total", target.deployment.pattern).inc()

    async def answered(self, payer: Payer, call_type: str, target: Target, metered: Metered) -> int | None:
        """Counts an answer that a provider gave, once. Gives its cost in pico-dollars, None where nobody says it. Where
        it is cancelled, nothing is counted yet.
        """
        amount, pattern = await self._prices.cost(target, metered), target.deployment.pattern
        usage, counter = metered.usage, self._metrics.counter
        if usage is not None:
            counter("askonce_tokens_total", call_type, pattern, "prompt").inc(usage.prompt)
            counter("askonce_tokens_total", call_type, pattern, "completion").inc(usage.completion)
            payer.admission.spend(usage.prompt + usage.completion)
        if amount is None:
            self.unpriced(target)
            return None
        counter("askonce_spent_dollars_total", call_type, pattern).inc(dollars(amount))
        if team := payer.caller.team:
            known = self._metrics.bounded("team", team)
            counter("askonce_team_spent_dollars_total", known).inc(dollars(amount))
        self.ledger.spend(payer.caller.accounts, amount)
        return amount


def open_accounts(tally: Tally, metrics: Metrics, log: Log, at_close: Callable[..., object]) -> Accounts:
    """With the ledger running; it is closed before the tally's queue is, which was opened before."""
    ledger = Ledger(tally, log, timer)
    ledger.start()
    at_close(ledger.close)
    return Accounts(PriceList(), ledger, metrics)
