"""The command line. Commands import what they need when they run: `joulia --help` stays quick."""

from __future__ import annotations

import codecs
import contextlib
import functools
import io
import os
import signal
import sys
import warnings
from typing import Any, TextIO

import click

from joulia.cli import changes, gate, gpu, measuring, meter, reading, setting_up, sites
from joulia.errors import JouliaError, Unavailable, Unstable


class Group(click.Group):
    """Bad input of any command ends in one line on stderr and exit code 2."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        open_closed_streams()
        make_encodable()
        warnings.showwarning = show_warning  # type: ignore[assignment]
        try:
            code = super().main(*args, **kwargs)
        except click.exceptions.NoArgsIsHelpError as help_:
            click.echo(help_.format_message())
            sys.exit(2)
        except click.ClickException as error:
            fail(error.format_message())
        except (JouliaError, Unavailable, Unstable) as error:
            fail(str(error))
        except (click.Abort, KeyboardInterrupt):
            click.echo("joulia: interrupted; what was measured is kept", err=True)
            sys.exit(130)
        except OSError as error:
            if any(map(takes_nothing, (1, 2))):
                fail(f"cannot print: {error.strerror}; what was measured is kept")
            raise
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """A command, with what it printed: a closed pipe would end it in click's exit code 1."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            sys.exit(closed_pipe())
        return code


def fail(message: str) -> None:
    """One line and exit code 2; of the ranks that an outer mpiexec started, the first tells it."""
    from joulia.parallel.launchers import outer_job

    if outer_job()[0] == 0:
        with contextlib.suppress(OSError):  # nobody can be told
            click.echo("joulia: " + " ".join(message.split()), err=True)
    sys.exit(2)


PLAIN = {"≈": "~", "µ": "u", "±": "+-", "–": "-", "∞": "inf", "✓": "+", "✗": "x", "…": "..."}
"""How signs are written where the terminal's encoding lacks them (Latin-1, ASCII)."""


def make_encodable() -> None:
    """No sign in a table, and no byte in a file's name, ends a command after it has measured."""
    codecs.register_error("joulia", plainly)
    for each in (sys.stdout, sys.stderr):
        if isinstance(each, io.TextIOWrapper):
            each.reconfigure(errors="joulia")


def plainly(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign, "?") for sign in text), error.end


def show_warning(message: Warning | str, *_: Any) -> None:
    say_once(str(message))


@functools.cache
def say_once(line: str) -> None:
    click.echo(f"joulia: {line}", err=True)


def open_closed_streams() -> None:
    """What a shell (`>&-`) or a daemon closed leads nowhere.

    Python has None for such a stream, and a file that is opened would get its number.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def closed_pipe() -> int:
    """Nobody reads on (`| head`): the exit code that shells give, and silence at the end."""
    for number in (1, 2):
        try:
            stream(number).flush()
        except BrokenPipeError:
            silence(number)
    return 128 + signal.SIGPIPE


def takes_nothing(number: int) -> bool:
    """Whether a standard stream cannot be written to, as on a full disk: then it leads nowhere."""
    try:
        stream(number).flush()
        os.write(number, b"\n")  # what could not be written may be gone from the buffer
    except OSError:
        silence(number)
        return True
    return False


def stream(number: int) -> TextIO:
    return (sys.stdout, sys.stderr)[number - 1]


def silence(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def show_version(context: click.Context, option: click.Parameter, given: bool) -> None:
    """Print joulia's version, and end."""
    if given:
        from joulia.version import version

        click.echo(f"joulia, version {version()}")
        context.exit()


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=show_version)
def main() -> None:
    """Time and energy of simulation kernels through Python, Julia and OCCA, over MPI ranks."""
    from joulia.runner import limits

    if line := limits.recover():
        say_once(line)


for _module in (measuring, meter, reading, setting_up, sites, gate, changes, gpu):
    for _command in _module.COMMANDS:
        main.add_command(_command)
