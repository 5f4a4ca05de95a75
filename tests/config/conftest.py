from pathlib import Path
from typing import Protocol

import pytest

from askonce.config.load import load
from askonce.config.settings import Settings


class Read(Protocol):
    def __call__(self, text: str | None = None, *, dotenv: str | None = None, **environ: str) -> Settings: ...


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Loads a config file of this text (None: no file), with this environment and this `.env`, in `tmp_path`."""

    def read(text: str | None = None, *, dotenv: str | None = None, **environ: str) -> Settings:
        if dotenv is not None:
            (tmp_path / ".env").write_text(dotenv)
        path = None
        if text is not None:
            path = Path("config.yaml")
            (tmp_path / path).write_text(text)
        return load(path, environ, cwd=tmp_path)

    return read
