"""The command `joulia scale`: from options to cases, a table, a prediction and a plot."""

from __future__ import annotations

from typing import Any

from joulia import registry
from joulia.analysis import scaling
from joulia.analysis.terminal import console, draw
from joulia.case import WAITS, Settings, Shape
from joulia.cli.progress import execute
from joulia.errors import JouliaError, suggest
from joulia.records import store
from joulia.runner.cases import Planned
from joulia.runner.plan import Request, plan
from joulia.runner.session import identify


def scale(options: dict[str, Any]) -> int:
    """Run the cases, print the scaling table; the exit code of the run."""
    settings = Settings(
        window_s=options["window"],
        repeats=options["repeats"],
        timeout_s=options["timeout"],
        overlap=options["overlap"],
        oversubscribe=options["oversubscribe"],
        machine=options["machine"],
    )
    if options["plot"]:
        scaling.pyplot(options["plot"])  # told before anything is measured
    planned = cases(options)
    code = execute(planned, settings, options["output"], resume=True)
    kernel_cases = [p for p in planned if p.case.kernel == options["kernel"]]
    wanted = [identify(p.case, settings) for p in kernel_cases]
    latest = {record.id: record for record in store.load(options["output"])}
    records = [latest[i] for i in wanted if i in latest]
    points = scaling.points(records, weak=options["weak"])
    out = console()
    out.print()
    draw(out, scaling.table(points))
    for line in scaling.notes(points):
        out.print(line, markup=False)
    predicted: list[scaling.Prediction] = []
    if options["predict"]:
        predicted = scaling.predict(records, options["predict"], weak=options["weak"])
        out.print()
        out.print(scaling.assumptions(records), markup=False)
        draw(out, scaling.prediction_table(predicted))
    if options["plot"]:
        title = scaling.heading(kernel_cases[0].case, weak=options["weak"])
        scaling.plot(points, predicted, options["plot"], title)
        out.print(f"Plot: {options['plot']}", markup=False)
    return code


def cases(options: dict[str, Any]) -> list[Planned]:
    """The cases in the order of the table: by backend, then by ranks."""
    kernel = registry.kernel(options["kernel"]).kernel
    base = base_shape(options)
    requests = [
        Request(
            kernels=(kernel.name,),
            backends=options["backend"],
            shapes=(scaling.weak_shape(kernel, base, ranks) if options["weak"] else base,),
            dtypes=(options["dtype"],),
            ranks=(ranks,),
            threads=options["threads"],
            params=options["param"],
            oversubscribe=options["oversubscribe"],
            waits=options["wait"],
        )
        for ranks in options["ranks"]
    ]
    planned = plan(requests)
    order = list(dict.fromkeys(p.case.backend for p in planned))
    # The triads that packing is held against come first, and have no row of their own.
    return sorted(
        planned,
        key=lambda p: (
            p.case.kernel == kernel.name,
            order.index(p.case.backend),
            WAITS.index(p.case.wait),
            p.case.cores,
        ),
    )


def base_shape(options: dict[str, Any]) -> Shape:
    kernel = registry.kernel(options["kernel"]).kernel
    if options["shape"]:
        if options["size"]:
            raise JouliaError("--shape and --size exclude each other. Allowed: one of them")
        shape: Shape = options["shape"]
        return shape
    size = options["size"] or "small"
    if size not in kernel.sizes:
        raise suggest(f"size of {kernel.name}", size, list(kernel.sizes))
    return kernel.sizes[size]
