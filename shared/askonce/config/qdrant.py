"""`cache_params` of type qdrant-semantic, and the variables beneath them, but for what all matching by meaning shares.

Source: LiteLLM's page on caching; `qdrant_semantic_cache.py` of LiteLLM 1.109 for the order of the variables.
"""

from collections.abc import Mapping
from typing import Final, Literal, cast

from pydantic import SecretStr

from askonce.config.said import Setting, in_file, in_variables, unset_among
from askonce.config.section import Section
from askonce.config.settings import QdrantSettings
from askonce.config.values import base_url, line, one_of

SETTINGS: Final[Mapping[str, Setting]] = {
    "url": Setting(base_url, ("qdrant_api_base",), ("QDRANT_URL", "QDRANT_API_BASE")),
    "api_key": Setting(line, ("qdrant_api_key",), ("QDRANT_API_KEY",)),
    "quantization": Setting(one_of("binary", "scalar", "product"), ("qdrant_quantization_config",), (), lenient=False),
}
NAMES: Final = frozenset(key for setting in SETTINGS.values() for key in setting.keys)
_NOWHERE: Final = "Qdrant url must be provided, here, as QDRANT_URL or as QDRANT_API_BASE"


def read_qdrant(params: Section) -> QdrantSettings | None:
    """None without an address, which is noted as wrong."""
    notes, url_key = params.notes, params.key("qdrant_api_base")
    given = in_file(params, SETTINGS)
    said = in_variables(params.variables, SETTINGS, notes) | given
    values = {name: one.value for name, one in said.items()}
    if "url" not in values:
        if not notes.is_wrong(url_key, "QDRANT_URL", "QDRANT_API_BASE"):
            notes.wrong(url_key, _NOWHERE + unset_among(params, ["qdrant_api_base"]))
        return None
    key = values.get("api_key")
    return QdrantSettings(
        url=values["url"],
        api_key=None if key is None else SecretStr(key),
        quantization=cast("Literal['binary', 'scalar', 'product']", values.get("quantization", "binary")),
    )
