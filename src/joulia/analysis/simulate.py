"""The physics as a picture or an animation, so that people see what a kernel computes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from joulia import registry
from joulia.arrays import Host
from joulia.case import Case, Value
from joulia.errors import JouliaError, Unavailable, Unstable
from joulia.parallel.comm import OneRank
from joulia.simulation import end_time, verify
from joulia.simulation.run import set_up

PANELS = 4
"""Moments that a still picture shows."""
SUFFIXES = (".png", ".gif", ".svg")
INSTALL = "pip install 'joulia[plot]'"


@dataclass(frozen=True)
class Frame:
    """A field (two axes, or one) after some steps; `time` is None where steps have no time."""

    steps: int
    time: float | None
    field: Host


def frames(case: Case, count: int, steps: int, until: float | None, name: str) -> Iterator[Frame]:
    """`count` moments, evenly spaced from the start to `steps` steps, which end at `until`.

    Of three axes, the plane is shown in which most happens at the start; of columns that a kernel
    needs whole, and where its picture is upright, an upright one.
    """
    run = set_up(case, OneRank())
    if not set(run.kernel.results) <= set(run.kernel.initial(case, run.tile)):
        raise JouliaError(
            f"{case.kernel} does not step in time, so nothing in it moves. Allowed: a kernel whose "
            "fields have an initial state"
        )
    done = 0
    for i in range(count):
        target = round(steps * i / max(1, count - 1))
        while done < target:
            run.step()
            done += 1
        run.ops.synchronize()
        got = run.results(run.fields)
        verify.require_finite(OneRank(), got, done)
        if name not in got:
            raise JouliaError(f"unknown field '{name}'. Allowed: {', '.join(got)}")
        time = None if until is None else until * done / steps
        grid = on_grid(got[name], run.kernel.dims)
        if 0 in run.kernel.whole:
            grid = grid.swapaxes(0, 1)
        if not i:
            plane = liveliest(grid, run.kernel.picture.upright)
        yield Frame(done, time, np.array(grid[plane], dtype=np.float64))


UPRIGHT = 1.5
"""How much more must happen in a vertical plane than in the horizontal ones for it to be shown."""


def liveliest(grid: Host, upright: bool = False) -> tuple[int | slice, ...]:
    """The index of the plane in which most happens: of the last two axes, or an upright one."""
    if grid.ndim <= 2:
        return ()
    spread = grid.std(axis=(-2, -1))
    if grid.ndim == 3:
        standing = grid.std(axis=(0, 2))
        if upright or standing.max() > UPRIGHT * spread.max():
            return slice(None), int(standing.argmax())
    return tuple(int(i) for i in np.unravel_index(int(spread.argmax()), spread.shape))


def on_grid(array: Host, dims: int) -> Host:
    """[z][y][k][j][i][x] of elements with nodes as [z k][y j][x i]; other fields as they are."""
    if array.ndim != 2 * dims:
        return array
    elements = [*range(dims - 1), 2 * dims - 1]
    order = [axis for d in range(dims) for axis in (elements[d], dims - 1 + d)]
    apart = array.transpose(order)
    return apart.reshape([apart.shape[2 * d] * apart.shape[2 * d + 1] for d in range(dims)])


def draw(shown: list[Frame], case: Case, name: str, path: Path) -> None:
    """Write the frames: a GIF moves, anything else shows some of them side by side."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise JouliaError(f"pictures need matplotlib. Allowed: {INSTALL}") from None
    if path.suffix not in SUFFIXES:
        raise JouliaError(f"{path.name} is no picture. Allowed: {', '.join(SUFFIXES)}")
    low = min(float(f.field.min()) for f in shown)
    high = max(float(f.field.max()) for f in shown)
    title = f"{case.kernel}: {name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gif":
        pictures = [image(panels([f], title, low, high)) for f in shown]
        pictures[0].save(
            path, save_all=True, append_images=pictures[1:], duration=80, loop=0, optimize=True
        )
        return
    picked = [shown[round(i * (len(shown) - 1) / (PANELS - 1))] for i in range(PANELS)]
    kept = list({f.steps: f for f in picked}.values())
    panels(kept, title, low, high).savefig(path, dpi=100, bbox_inches="tight")


def panels(shown: list[Frame], title: str, low: float, high: float) -> Any:
    """A figure with one panel a frame on one colour scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.0 * len(shown) + 0.8, 3.2), layout="constrained")
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    drawn = None
    for ax, frame in zip(axes, shown, strict=True):
        when = f"{frame.steps} steps" if frame.time is None else f"t = {frame.time:.3g}"
        ax.set_title(when, fontsize=10)
        if frame.field.ndim == 1:
            ax.plot(frame.field, linewidth=1.0)
            ax.set_ylim(low, high if high > low else low + 1.0)
            continue
        drawn = ax.imshow(
            frame.field, origin="lower", vmin=low, vmax=high, cmap="viridis",
            interpolation="nearest", aspect="equal",
        )  # fmt: skip
        ax.set_xticks([])
        ax.set_yticks([])
    if drawn is not None:
        figure.colorbar(drawn, ax=list(axes), label=title, shrink=0.85)
    else:
        figure.suptitle(title)
    return figure


def image(figure: Any) -> Any:
    """A figure as a palette image, all of one size."""
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    buffer.seek(0)
    return Image.open(buffer).convert("P", palette=Image.Palette.ADAPTIVE)


def params(name: str, given: Mapping[str, Value]) -> dict[str, Value]:
    """The parameters of a kernel's picture beside a user's, which count where both give one."""
    return dict(registry.kernel(name).kernel.picture.params) | dict(given)


def simulate(
    case: Case, path: Path, *, count: int, steps: int | None, until: float | None, field: str | None
) -> int:
    """Run a case and write its picture; the number of steps.

    Without `steps` and `until`, until the end time of the kernel's picture or frontier, or for 200
    steps.
    """
    kernel = registry.kernel(case.kernel).kernel
    picture, frontier = kernel.picture, kernel.frontier
    if path.suffix not in SUFFIXES:
        raise JouliaError(f"{path.name} is no picture. Allowed: {', '.join(SUFFIXES)}")
    if steps is None and until is None:
        until = picture.until or (frontier.until if frontier else None)
    if steps is None and until is not None:
        case, steps = end_time.ends_at(case, until)
    name = field or picture.field or (frontier.result if frontier else kernel.results[-1])
    try:
        shown = list(frames(case, count, steps or 200, until, name))
    except Unavailable as error:
        raise JouliaError(f"{case.backend} is not here: {error}") from None
    except Unstable as error:
        raise JouliaError(
            f"no picture of {kernel.name}: {error}. Allowed: a kernel that steps in time, with "
            "parameters that keep it stable"
        ) from None
    draw(shown, case, name, path)
    return steps or 200
