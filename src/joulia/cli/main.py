"""The command line. Commands import what they need when they run: `joulia --help` stays quick."""

from __future__ import annotations

import sys
from typing import Any

import click

from joulia.cli import gate, measuring, meter, reading, setting_up
from joulia.errors import JouliaError, Unavailable, Unstable


class Group(click.Group):
    """Bad input of any command ends in one line on stderr and exit code 2."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
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
        except BrokenPipeError:
            sys.exit(1)
        sys.exit(code if isinstance(code, int) else 0)


def fail(message: str) -> None:
    click.echo("joulia: " + " ".join(message.split()), err=True)
    sys.exit(2)


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


for _module in (measuring, meter, reading, setting_up, gate):
    for _command in _module.COMMANDS:
        main.add_command(_command)
