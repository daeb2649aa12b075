"""Commands of a cluster: sites, which tells what is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from joulia.sites.site import Site


@click.command()
@click.argument("name", required=False)
def sites(name: str | None) -> None:
    """Print the sites that --site takes, or all that is known of NAME, with its sources."""
    from joulia.analysis.terminal import Column, Grid, console, draw, draw_list
    from joulia.sites import site

    out = console()
    if name is not None:
        draw_list(out, list(known(site.load(name))))
        return
    columns = (
        Column("site", right=False),
        Column("queue", right=False),
        Column("nodes", drop=3),
        Column("GPUs a node", drop=2),
        Column("launcher", drop=1, right=False),
        Column("what it is", right=False, least=20),
    )
    rows = []
    for each in map(site.load, site.files()):
        counts = [f"{count.value:g}" if count else "-" for count in (each.nodes, each.gpus)]
        rows.append([each.name, each.scheduler, *counts, each.launcher.value, each.title])
    draw(out, Grid(columns, rows))
    folders = ", ".join(map(str, site.folders()))
    out.print(f"\nFiles: {folders}; `joulia sites NAME` has the sources", markup=False)


def known(site: Site) -> Iterator[tuple[str, str, str]]:
    """What a site's file says, an entry each: nothing, its name, and its value with the source."""
    yield "", site.name, f"{site.title} ({site.path})"
    yield "", "scheduler", site.scheduler
    for title, figure in (
        ("nodes", site.nodes),
        ("sockets a node", site.sockets),
        ("cores a node", site.cores),
        ("GiB a node", site.memory_gib),
        ("GPUs a node", site.gpus),
    ):
        if figure:
            yield "", title, f"{figure.value:g} ({figure.source})"
    for title, choice in (
        ("GPU", site.gpu),
        ("launcher", site.launcher),
        ("binds", site.binding),
        ("wait", site.wait),
        ("profile", site.profile),
        ("time limit", site.time_limit),
        ("exclusive", site.exclusive),
    ):
        if choice:
            yield "", title, f"{choice.value} ({choice.source})"
    if site.grid_source:
        from joulia.energy import carbon

        grid = carbon.load(str(site.path))
        yield "", "grid", f"{grid.g_per_kwh:g} g/kWh, {grid.year}, {grid.site} ({grid.source})"
    for title, lines in (
        ("directive", site.directives),
        ("setup", site.setup),
        ("launcher option", site.options),
        ("meter", site.meters),
    ):
        for line in lines:
            yield "", title, f"{line.text}: {line.why} ({line.source})"
    for name, line in site.variables:
        yield "", "variable", f"{name}={line.text}: {line.why} ({line.source})"


COMMANDS = (sites,)
