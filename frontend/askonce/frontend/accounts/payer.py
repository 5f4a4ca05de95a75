"""Who pays for an answer."""

from dataclasses import dataclass

from askonce.frontend.access.caller import ADMIN, Caller
from askonce.frontend.limits import FREE, Admission


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose request caused an answer: who joined it pays nothing."""

    caller: Caller
    admission: Admission


NOBODY = Payer(ADMIN, FREE)
