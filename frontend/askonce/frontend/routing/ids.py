"""What deployments are called among the processes of a proxy, and in its metrics. Knows the model list only."""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256

import orjson

from askonce.config.describe import without_credentials
from askonce.config.settings import Deployment


def litellm_model(deployment: Deployment) -> str:
    return f"{deployment.provider}/{deployment.model}"


def with_ids(deployments: Sequence[Deployment]) -> list[tuple[str, Deployment]]:
    """Each with its id: its own, or a digest that stays the same for as long as the entry says the same. Nothing secret
    goes into it, so that entries that differ in their keys alone are told apart by their order.
    """
    seen: Counter[bytes] = Counter()
    found = []
    for deployment in deployments:
        own = deployment.model_info.get("id")
        told = orjson.dumps([deployment.pattern, litellm_model(deployment), without_credentials(deployment.api_base)])
        digest = sha256(b"deployment\n" + told + b"\n%d" % seen[told]).hexdigest()
        seen[told] += 1
        found.append((digest if own is None else str(own), deployment))
    return found


def labels(deployments: Sequence[Deployment]) -> list[str]:
    """What each is called in metrics: its `model_name`, and its place among those of the same, from 1."""
    seen: Counter[str] = Counter()
    found = []
    for deployment in deployments:
        seen[deployment.pattern] += 1
        found.append(f"{deployment.pattern}#{seen[deployment.pattern]}")
    return found
