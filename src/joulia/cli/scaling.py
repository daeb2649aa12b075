"""The command `joulia scale`: from options to cases, a table, a prediction and a plot."""

from __future__ import annotations

from typing import Any

from joulia import registry
from joulia.analysis import prediction, scaling
from joulia.analysis.labels import label
from joulia.analysis.terminal import console, draw
from joulia.case import WAITS, Settings, Shape
from joulia.cli.progress import execute
from joulia.errors import JouliaError, suggest
from joulia.records import store
from joulia.records.record import Record
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
    for record in widest(records):
        out.print(f"\nBy grid: {label(record.case)}", markup=False)
        draw(out, prediction.levels_table(record))
    predicted: list[prediction.Prediction] = []
    if options["predict"]:
        shape_for = scaling.weak_shape if options["weak"] else lambda kernel, base, ranks: base
        predicted = prediction.predict(records, options["predict"], shape_for)
        out.print()
        out.print(prediction.assumptions(records), markup=False)
        draw(out, prediction.prediction_table(predicted))
    if options["plot"]:
        title = scaling.heading(kernel_cases[0].case, weak=options["weak"])
        scaling.plot(points, predicted, options["plot"], title)
        out.print(f"Plot: {options['plot']}", markup=False)
    return code


def widest(records: list[Record]) -> list[Record]:
    """Of each curve of a kernel with coarser grids, the valid record of the most ranks."""
    found: dict[tuple[str, str], Record] = {}
    for record in records:
        if (
            record.status == "valid"
            and record.parallel
            and record.parallel.levels
            and record.parallel.latency_s
        ):
            key = scaling.curve(record)
            if key not in found or found[key].case.ranks < record.case.ranks:
                found[key] = record
    return list(found.values())


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
