"""The public Python API for measuring, loading and comparing: `joulia.run`, `joulia.load`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from joulia.analysis import advice, export, files, portability
from joulia.analysis.compare import Problem, comparisons
from joulia.analysis.portability import Portability
from joulia.case import Settings, Shape, Value
from joulia.records.record import Record
from joulia.runner import session
from joulia.runner.plan import Request, plan


@dataclass(frozen=True)
class Results(Sequence[Record]):
    """Records in the order in which they were measured."""

    records: tuple[Record, ...]

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Results: ...
    def __getitem__(self, index: int | slice) -> Record | Results:
        selected = self.records[index]
        return Results(selected) if isinstance(selected, tuple) else selected

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __repr__(self) -> str:
        valid = sum(r.status == "valid" for r in self.records)
        return f"<{len(self.records)} joulia records, {valid} valid>"

    def where(self, **wanted: Value) -> Results:
        """The records whose case has these values: kernel, backend, size, dtype, ranks, ..."""
        return Results(
            tuple(
                r
                for r in self.records
                if all(getattr(r.case, name) == value for name, value in wanted.items())
            )
        )

    def frame(self) -> Any:
        """A pandas DataFrame, one row a record, units in the column names."""
        return export.frame(self.records)

    def compare(self, baseline: str | None = None) -> list[Problem]:
        """Backends side by side, one Problem for each kernel, shape, dtype and machine."""
        return comparisons([r for r in self.records if r.settings.until is None], baseline)

    def portability(self) -> list[Portability]:
        """Pennycook's metric over the machines of these records; empty for one machine."""
        return portability.portability(self.compare(), self.records)

    def advice(self) -> list[str]:
        """What to choose, in sentences: one line a kernel and machine."""
        problems = advice.main_problems(self.compare())
        return [f"{p.title}: {' '.join(advice.advise(p).lines)}" for p in problems]

    def report(self, path: str | Path, baseline: str | None = None) -> Path:
        """Write the HTML report; returns its path."""
        from joulia.report import page

        page.write(Path(path), page.build(self.records, baseline=baseline))
        return Path(path)

    def export(self, path: str | Path, form: str = "csv") -> Path:
        """Write csv, parquet, github-action-benchmark or bencher; returns the path."""
        export.export(self.records, form, Path(path))
        return Path(path)


def load(*paths: str | Path) -> Results:
    """The records of results files. JouliaError where there is none."""
    return Results(tuple(files.load_all(paths)))


def run(
    *kernels: str,
    output: str | Path,
    backends: Sequence[str] = (),
    variants: Sequence[str] = (),
    sizes: Sequence[str] = (),
    shapes: Sequence[Shape] = (),
    dtypes: Sequence[str] = ("float64",),
    ranks: Sequence[int] = (1,),
    threads: Sequence[int] | None = None,
    params: Mapping[str, Sequence[Value]] | None = None,
    ceilings: bool = False,
    window_s: float = 0.5,
    repeats: int = 9,
    resume: bool = True,
    machine: str | None = None,
    waits: Sequence[str] = ("default",),
) -> Results:
    """Measure as `joulia run` does, each case in its own process, and return the records.

    Every sequence is swept; records are appended to `output`. Raises JouliaError for names and
    numbers that can never work; what cannot run here becomes a skipped record with its reason.
    `variants` are `tuned`, `plain`, ...: without them, of named backends the tuned one, else every
    one. `machine` is what to call this one, in place of its hardware; `waits` as `--wait`.
    """
    request = Request(
        kernels, backends, sizes, shapes, dtypes, ranks, threads,
        params=params or {}, ceilings=ceilings, waits=waits, variants=variants,
    )  # fmt: skip
    settings = Settings(window_s=window_s, repeats=repeats, machine=machine)
    outcomes = session.outcomes(plan([request]), settings, Path(output), resume=resume)
    return Results(tuple(outcome.record for outcome in outcomes))
