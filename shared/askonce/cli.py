"""The command line: arguments in, exit codes out. It and `askonce.commands` alone see both processes."""

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from askonce.commands.check import check
from askonce.commands.demo import demo
from askonce.commands.processes import frontend, writer
from askonce.commands.up import up
from askonce.config.load import load
from askonce.config.settings import Settings
from askonce.core.errors import AskonceError, ConfigError

_EXAMPLES = """\
examples:
  askonce demo                              see a miss, a hit and a streamed hit, without an API key
  askonce up                                OpenAI behind a disk cache, on http://127.0.0.1:4000/v1
  askonce up --config config.yaml           the same with LiteLLM's config.yaml, as it is
  askonce check --config config.yaml        what is in force, what is ignored and why, and whether it can be reached
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done; 1 a part could not start or be reached; 2 wrong arguments or settings."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except ConfigError as error:
        print(f"askonce: {error}", file=sys.stderr)
        return 2
    except AskonceError as error:
        print(f"askonce: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="askonce",
        description="A caching proxy for LLM APIs: every question is asked once.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"askonce {importlib.metadata.version('askonce')}")
    roles = parser.add_subparsers(required=True, metavar="COMMAND")
    whole = _command(roles, "up", _up, "run the whole proxy on this machine: queue, writers, frontends")
    whole.add_argument(
        "--frontends", type=_count, metavar="N", help="frontend processes (default: one per core but one)"
    )
    whole.add_argument("--writers", type=_count, metavar="M", help="writer processes (default: 1)")
    whole.add_argument("--data-dir", type=Path, metavar="DIR", help="where the queue and the disk store are kept")
    reading = _command(roles, "frontend", _frontend, "run one frontend")
    writing = _command(roles, "writer", _writer, "run one writer")
    for parts in (whole, reading):
        parts.add_argument("--host", metavar="H", help="address to listen on (default: 127.0.0.1 without a master key)")
        parts.add_argument("--port", type=_port, metavar="P", help="port to listen on (default: 4000)")
    for parts in (whole, reading, writing):
        parts.add_argument("--nats", metavar="URL", help="a NATS server with JetStream; `up` has its own")
    for parts in (reading, writing):
        parts.add_argument("--supervised", type=int, help=argparse.SUPPRESS)
        parts.add_argument("--name", help=argparse.SUPPRESS)
    _command(roles, "check", _check, "show the settings in force and try to reach every backend")
    _command(roles, "demo", _demo, "run the whole proxy before a built-in toy provider; no API key is needed")
    return parser


def _command(roles: Any, name: str, run: object, text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = roles.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    if name != "demo":
        command.add_argument("--config", type=Path, metavar="FILE", help="LiteLLM's config.yaml")
    command.set_defaults(run=run)
    return command


def _count(text: str) -> int:
    return _between(text, 1, 256, "a number from 1 to 256")


def _port(text: str) -> int:
    return _between(text, 0, 65535, "a port from 0 to 65535")


def _between(text: str, least: int, most: int, expected: str) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text[:6]) <= most):
        raise argparse.ArgumentTypeError(expected)
    return int(text)


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


def _load(options: argparse.Namespace) -> Settings:
    settings = load(options.config, _environment(options), cwd=Path.cwd())
    os.environ |= {name: value.get_secret_value() for name, value in settings.for_libraries.items()}
    return settings


def _up(options: argparse.Namespace) -> int:
    return up(_load(options), options.config, _environment(options))


def _frontend(options: argparse.Namespace) -> int:
    return frontend(_load(options), supervised=options.supervised, name=options.name or "frontend")


def _writer(options: argparse.Namespace) -> int:
    return writer(_load(options), supervised=options.supervised, name=options.name or "writer")


def _check(options: argparse.Namespace) -> int:
    return check(_load(options))


def _demo(_options: argparse.Namespace) -> int:
    return demo()


if __name__ == "__main__":
    sys.exit(main())
