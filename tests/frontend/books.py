"""What answers are put down to, in a bus of this process."""

from askonce.bus.local import LocalBus
from askonce.frontend.accounts.accounts import Accounts
from askonce.frontend.accounts.ledger import Ledger
from askonce.frontend.accounts.prices import PriceList
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.frontend.kit import Clock


def ledger(bus: LocalBus, clock: Clock) -> Ledger:
    return Ledger(bus.tally(), Log("test"), clock)


def accounts(metrics: Metrics) -> Accounts:
    clock = Clock()
    return Accounts(PriceList(), ledger(LocalBus(clock), clock), metrics)
