"""Who of the deployments answers to a client's name for a model. Knows no request, and nothing of what is there.

Source: LiteLLM's pages on wildcard routing and on aliases. What differs: docs/decisions/0055.
"""

from collections.abc import Sequence

from askonce.config.patterns import STAR, by_meaning, stars
from askonce.config.policies import Alias
from askonce.config.settings import Deployment


class Names:
    """An alias is resolved once, and before anything else, as in LiteLLM: it may be called as a model is."""

    def __init__(self, deployments: Sequence[Deployment], aliases: Sequence[Alias] = ()) -> None:
        groups: dict[str, list[Deployment]] = {}
        for one in deployments:
            groups.setdefault(one.pattern, []).append(one)
        self._groups = groups
        self._patterns = by_meaning(pattern for pattern in groups if STAR in pattern)
        self._aliases = {alias.name: alias.model for alias in aliases}

    def meant(self, name: str) -> str:
        """What an alias stands for; any other name is what it is."""
        return self._aliases.get(name, name)

    def called(self, name: str) -> list[Deployment]:
        """Those that have the name itself, in the file's order."""
        return self._groups.get(self.meant(name), [])

    def answering(self, name: str) -> list[Deployment]:
        """Those that are called so, or else whose pattern fits the name and says the most; none where nothing does."""
        meant = self.meant(name)
        fitting = (self._groups[one] for one in self._patterns if stars(one, meant) is not None)
        return self._groups.get(meant) or next(fitting, [])

    def served(self, name: str) -> bool:
        """Whether one of those that answer to the name can be asked, on whatever route."""
        return any(one.unsupported is None for one in self.answering(name))
