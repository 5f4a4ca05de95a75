"""`askonce completion SHELL`: the script that completes in a shell, made by the library shtab from the parser."""

from argparse import ArgumentParser

import shtab


def complete(parser: ArgumentParser, shell: str) -> int:
    """`shell` is one that shtab knows. An action says in `complete` what it takes: `file` or `directory`."""
    print(shtab.complete(parser, shell))
    return 0
