"""The folder that `up` works in: private, and one `up` at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from askonce.core.errors import ConfigError


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds the folder for this process. Raises ConfigError, naming the lock, when another `up` holds it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError("data_dir", str(folder), f"a folder that can be written to ({error.strerror})") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                "data_dir",
                str(folder),
                f"another `askonce up` holds {folder / 'lock'}; give this one its own --data-dir",
            ) from None
        yield
    finally:
        os.close(handle)


def write_private(path: Path, text: str) -> None:
    """A file that only its owner can read, from its first moment on."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
