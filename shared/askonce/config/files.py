"""Variables from the files of a folder, as containers mount their secrets. Knows no setting but the folder's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from askonce.config.values import place
from askonce.core.errors import ConfigError

SECRETS_DIR: Final = "ASKONCE_SECRETS_DIR"
_LARGEST: Final = 64 << 10  # bytes; a certificate has some thousand
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Files:
    """`variables` are values by name, of the files that are not empty; `folder` is None where none is named."""

    folder: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    def told(self, environ: Mapping[str, str]) -> str:
        """Folder and names, for people: of those that this environment does not give otherwise."""
        if self.folder is None:
            return ""
        return f"{', '.join(name for name in self.variables if not environ.get(name)) or 'none'} from {self.folder}"


def read_files(environ: Mapping[str, str], cwd: Path) -> Files:
    """What the files of the folder hold, by their names in capitals.

    The folder is seen from `cwd`. One that is not there is as good as an empty one: images name it whether secrets are
    mounted or not. Folders in it are left alone, and files whose names are no names of variables, such as the `..data`
    of Kubernetes. Line ends at the end are taken off.

    Raises ConfigError, which names the file and nothing that is in it.
    """
    if not (named := environ.get(SECRETS_DIR)):
        return Files()
    folder = place(named, cwd, environ)
    try:
        names = sorted(one.name for one in folder.iterdir() if _VARIABLE.fullmatch(one.name))
    except FileNotFoundError:
        return Files(folder)
    except OSError as error:
        raise ConfigError("environment", SECRETS_DIR, f"{folder}: {_why(error)}") from None
    found: dict[str, str] = {}
    taken: dict[str, str] = {}
    for name in names:
        if (value := _content(folder / name)) is None:
            continue
        if (other := taken.setdefault(name.upper(), name)) != name:
            raise ConfigError(str(folder / name), "file", f"is the same variable as {other}, which is there too")
        if value:
            found[name.upper()] = value
    return Files(folder, found)


def _content(path: Path) -> str | None:
    """None for what is no file."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as stream:
            held = stream.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(str(path), "file", _why(error)) from None
    if len(held) > _LARGEST:
        raise ConfigError(str(path), "file", f"must have {_LARGEST} bytes at most")
    try:
        return held.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigError(str(path), "file", "must be UTF-8 text") from None


def _why(error: OSError) -> str:
    return error.strerror or "cannot be read"
