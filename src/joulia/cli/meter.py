"""The command meter."""

from __future__ import annotations

from pathlib import Path

import click

from joulia.cli import arguments


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--only", multiple=True, help="a meter to use: rapl, nvml, occ, ... (all)")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="every meter side by side, also the site's; what lacks",
)
@click.option(
    "--energy-tolerance",
    type=click.FloatRange(0.0, 100.0, min_open=True),
    default=2.0,
    help="per cent (one sigma) up to which joules are given (2)",
)
@click.option("--carbon", help="CO2e from a grid's intensity: g/kWh, or a site's .toml file")
@click.option("--output", "-o", type=arguments.NewFile(), help="figures as JSON")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def meter(
    only: tuple[str, ...],
    everything: bool,
    energy_tolerance: float,
    carbon: str | None,
    output: Path | None,
    command: tuple[str, ...],
) -> int:
    """Joules, watts and seconds of any COMMAND, for each domain: joulia meter -- COMMAND."""
    from joulia.cli.metering import meter as meter_

    return meter_(
        command,
        tolerance=energy_tolerance / 100.0,
        only=only,
        everything=everything,
        grid=carbon,
        output=output,
    )


COMMANDS = (meter,)
