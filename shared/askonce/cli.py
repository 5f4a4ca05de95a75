"""The command line: arguments in, exit codes out. It and `askonce.commands` alone see both processes.

Until a command has something to tidy up, and handles Ctrl-C for that, it ends the process as the system does it: an
exception in the middle of an import is told with a traceback, or lost there. So nothing of any weight is imported
before `main` has seen to that.
"""

import sys


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 done; 1 a part could not start or be reached; 2 wrong arguments or settings; 130 Ctrl-C."""
    try:
        import signal

        before = signal.getsignal(signal.SIGINT)
        if before is not signal.default_int_handler:  # it is ignored, or a host program's, and stays so
            return _run(arguments)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            return _run(arguments)
        finally:
            signal.signal(signal.SIGINT, before)
    except KeyboardInterrupt:
        return 130


def _run(arguments: list[str] | None) -> int:
    from askonce.commands.arguments import read
    from askonce.core.errors import AskonceError, ConfigError

    try:
        return read(arguments)()
    except ConfigError as error:
        print(f"askonce: {error}", file=sys.stderr)
        return 2
    except AskonceError as error:
        print(f"askonce: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
