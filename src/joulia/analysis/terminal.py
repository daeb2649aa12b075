"""Where tables are printed."""

from __future__ import annotations

import sys

from rich.console import Console


class Terminal(Console):
    """A console that leaves a closed pipe to the command line, as all that prints does."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise BrokenPipeError


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal; in a file or a pipe wide enough to keep rows whole."""
    stream = sys.stderr if stderr else sys.stdout
    return Terminal(stderr=stderr, width=None if stream.isatty() else 200, highlight=False)
