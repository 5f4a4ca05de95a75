"""The clocks. Everything below is handed one; this is the only place that has them."""

import time
from collections.abc import Callable

wall: Callable[[], float] = time.time  # seconds since the epoch: what is written down
timer: Callable[[], float] = time.perf_counter  # seconds since no date: what is measured
