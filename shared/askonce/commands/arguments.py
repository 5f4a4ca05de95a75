"""The arguments of every command, and what each command is: its settings read, and what is then to be done.

What a command needs is imported when it was chosen: help, versions and completions come at once.
"""

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from askonce.commands import manual
from askonce.commands.manual import Page

if TYPE_CHECKING:
    from askonce.config.settings import Settings

Work = Callable[[], int]

SHELLS: Final = ("bash", "zsh", "tcsh", "fish")
_TOY_PORT: Final = 4010


class _Parser(argparse.ArgumentParser):
    """The outer one: its list of commands is grouped, which argparse cannot do."""

    def format_help(self) -> str:
        return manual.overview(self.format_usage())


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from askonce.commands.versions import tell

        parser.exit(tell(as_json=False))


def read(arguments: list[str] | None) -> Work:
    """What the arguments (None: those of this process) ask for. Gives exit codes when it is called, and so does
    SystemExit, which is raised for help and for wrong arguments. Raises ConfigError for wrong settings.
    """
    options = parser().parse_args(arguments)
    work: Work = options.prepare(options)
    return work


def parser() -> argparse.ArgumentParser:
    outer = _Parser(prog="askonce", usage="askonce COMMAND [options]")
    outer.add_argument("--version", action=_Version, nargs=0, help="show versions and leave")
    commands = outer.add_subparsers(
        required=True, metavar="COMMAND", prog="askonce", parser_class=argparse.ArgumentParser
    )
    whole = _command(commands, manual.UP, _up)
    whole.add_argument(
        "--frontends", type=_count, metavar="N", help="frontend processes (default: one per core but one)"
    )
    whole.add_argument("--writers", type=_count, metavar="M", help="writer processes (default: 1)")
    folder = whole.add_argument("--data-dir", type=Path, metavar="DIR", help="where queue and disk store are kept")
    _complete(folder, "directory")
    _command(commands, manual.DEMO, _demo)
    reading = _command(commands, manual.FRONTEND, _frontend)
    writing = _command(commands, manual.WRITER, _writer)
    checking = _command(commands, manual.CHECK, _check)
    for parts in (whole, reading):
        parts.add_argument("--host", metavar="H", help="address to listen on (default: 127.0.0.1 without a master key)")
        parts.add_argument("--port", type=_port, metavar="P", help="port to listen on (default: 4000)")
    for parts in (whole, reading, writing):
        parts.add_argument("--nats", metavar="URL", help="a NATS server with JetStream; `up` has its own")
    for parts in (reading, writing):
        parts.add_argument("--supervised", type=int, help=argparse.SUPPRESS)
        parts.add_argument("--name", help=argparse.SUPPRESS)
    for parts in (whole, reading, writing, checking):
        _complete(parts.add_argument("--config", type=Path, metavar="FILE", help="LiteLLM's config.yaml"), "file")
    telling = _command(commands, manual.VERSION, _version)
    telling.add_argument("--json", action="store_true", help="as a JSON object")
    toy = _command(commands, manual.TOY, _toy)
    toy.add_argument("--host", default="127.0.0.1", metavar="H", help="address to listen on (default: 127.0.0.1)")
    toy.add_argument("--port", default=_TOY_PORT, type=_port, metavar="P", help=f"default: {_TOY_PORT}; 0 takes one")
    toy.add_argument("--latency", default=0.4, type=_seconds, metavar="S", help="before the first byte (default: 0.4)")
    completing = _command(commands, manual.COMPLETION, _completion)
    completing.add_argument("shell", choices=SHELLS, help="whose script")
    return outer


def _command(commands: Any, page: Page, prepare: Callable[[argparse.Namespace], Work]) -> argparse.ArgumentParser:
    """`prepare` imports what the command needs, reads its settings, and gives what is then to be done."""
    command: argparse.ArgumentParser = commands.add_parser(
        page.name,
        help=page.short,
        description=page.description,
        epilog=page.epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(prepare=prepare)
    return command


def _complete(action: argparse.Action, what: str) -> None:
    action.complete = what  # type: ignore[attr-defined]  # where shtab looks


def _count(text: str) -> int:
    return _between(text, 1, 256, "a number from 1 to 256")


def _port(text: str) -> int:
    return _between(text, 0, 65535, "a port from 0 to 65535")


def _between(text: str, least: int, most: int, expected: str) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text[:6]) <= most):
        raise argparse.ArgumentTypeError(expected)
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("seconds from 0 to 3600")
    return seconds


def _environment(options: argparse.Namespace) -> dict[str, str]:
    """What the command line says stands in for the variable of the same name, and wins."""
    said = {
        f"ASKONCE_{name.upper()}": str(value)
        for name in ("host", "port", "frontends", "writers", "data_dir")
        if (value := getattr(options, name, None)) is not None
    }
    if getattr(options, "nats", None) is not None:
        said["ASKONCE_NATS_URL"] = options.nats
    return os.environ | said


def _load(options: argparse.Namespace) -> "Settings":
    from askonce.config.load import load

    settings = load(options.config, _environment(options), cwd=Path.cwd())
    os.environ |= {name: value.get_secret_value() for name, value in settings.for_libraries.items()}
    return settings


def _up(options: argparse.Namespace) -> Work:
    from askonce.commands.up import up

    return partial(up, _load(options), options.config, _environment(options))


def _frontend(options: argparse.Namespace) -> Work:
    from askonce.commands.processes import frontend

    return partial(frontend, _load(options), supervised=options.supervised, name=options.name or "frontend")


def _writer(options: argparse.Namespace) -> Work:
    from askonce.commands.processes import writer

    return partial(writer, _load(options), supervised=options.supervised, name=options.name or "writer")


def _check(options: argparse.Namespace) -> Work:
    from askonce.commands.check import check

    return partial(check, _load(options))


def _demo(_options: argparse.Namespace) -> Work:
    from askonce.commands.demo import demo

    return demo


def _version(options: argparse.Namespace) -> Work:
    from askonce.commands.versions import tell

    return partial(tell, as_json=options.json)


def _toy(options: argparse.Namespace) -> Work:
    from askonce.commands.provider import provide

    return partial(provide, options.host, options.port, options.latency)


def _completion(options: argparse.Namespace) -> Work:
    from askonce.commands.completion import complete

    return partial(complete, parser(), options.shell)
