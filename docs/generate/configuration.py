"""The table of askonce's own settings, as their class declares them."""

from typing import Any, Final

from askonce.config.own import PREFIX
from askonce.config.settings import ProxySettings

_UNITS: Final = ("bytes", "KiB", "MiB", "GiB")


def settings() -> str:
    lines = ["| `askonce:` | Variable | Default | |", "|---|---|---|---|"]
    for name, field in ProxySettings.model_fields.items():
        shown = default(name, field.default)
        cells = (f"`{name}`", f"`{PREFIX}{name.upper()}`", shown, field.description)
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |".replace("|  |", "| |"))
    return "\n".join(lines)


def default(name: str, value: Any) -> str:
    """As one would write it; a size also in the largest unit that it is a whole number of."""
    if value is None:
        return ""
    text = f"`{value:.15g}`" if isinstance(value, float) else f"`{value}`"
    if not name.endswith("_bytes") or not value:
        return text
    unit = max(n for n in range(len(_UNITS)) if value % (1 << 10 * n) == 0)
    return f"{text} ({value >> 10 * unit} {_UNITS[unit]})" if unit else text
