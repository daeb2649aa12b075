"""The first screen: what each kernel costs in each language, and what is missing, told once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from joulia import registry
from joulia.analysis.advice import Advice
from joulia.analysis.columns import SURE
from joulia.analysis.compare import Entry
from joulia.analysis.tuning import Tuning, tunings
from joulia.analysis.units import digits, quantity
from joulia.case import TUNED, Backend, Case
from joulia.records.record import Record

LANGUAGES = {
    "numpy": ("Python", "NumPy"),
    "c++": ("C++", ""),
    "fortran": ("Fortran", ""),
    "numba": ("Python", "Numba"),
    "jax": ("Python", "JAX"),
    "cupy": ("Python", "CuPy"),
    "julia": ("Julia", ""),
    "occa": ("OKL", "OCCA"),
    "kokkos": ("C++", "Kokkos"),
}
"""What a source for a bridge is written in, and through what; others go by their names."""

PLAIN = "plain"
"""The variant that a tuned source is held against where there are several."""


@dataclass(frozen=True)
class Price:
    """A kernel's cost in one source: the quickest place of it, in words. Empty: not measured."""

    time: str = ""
    notes: tuple[str, ...] = ()
    tip: str = ""
    quickest: bool = False


@dataclass(frozen=True)
class Prices:
    """A table of them: heads are a language and which source in it, rows a kernel each."""

    heads: list[tuple[str, str]] = field(default_factory=list)
    rows: list[tuple[Advice, list[Price]]] = field(default_factory=list)


def source_of(case: Case) -> Backend:
    """What is read; the devices of a bridge that are on processors read the same."""
    apart = case.on_gpu or registry.reads_its_own(case.bridge, case.device)
    return Backend(case.bridge, case.device if apart else "cpu", case.variant)


def order(source: Backend) -> tuple[bool, int, str, int, str]:
    """On processors first, the languages as above, from the plain source to the tuned one."""
    bridge, device, variant = source
    effort = {PLAIN: 0, TUNED: 2}.get(variant, 1)
    return device != "cpu", [*LANGUAGES, bridge].index(bridge), bridge, effort, variant


def head(source: Backend, several: bool) -> tuple[str, str]:
    """The language; through what, where, and the variant where there is more than one."""
    language, through = LANGUAGES.get(source.bridge, (source.bridge, ""))
    device = "" if source.device == "cpu" else source.device
    variant = source.variant if several or source.variant != TUNED else ""
    return language, ", ".join(filter(None, [through, device, variant]))


def prices(advices: Sequence[Advice]) -> Prices:
    """The quickest entry of each source for each advised problem."""
    quickest: list[dict[Backend, Entry]] = []
    for advised in advices:
        row: dict[Backend, Entry] = {}
        for entry in advised.problem.entries:  # the quickest first
            row.setdefault(source_of(entry.record.case), entry)
        quickest.append(row)
    sources = sorted({source for row in quickest for source in row}, key=order)
    variants = Counter((source.bridge, source.device) for source in sources)
    heads = [head(s, variants[s.bridge, s.device] > 1) for s in sources]
    rows = []
    for advised, row in zip(advices, quickest, strict=True):
        pairs = sorted(tunings(advised.problem), key=lambda t: t.plain.record.case.variant == PLAIN)
        bought = {source_of(t.tuned.record.case): t for t in pairs}
        cells = [price(row.get(source), advised, bought.get(source)) for source in sources]
        rows.append((advised, cells))
    return Prices(heads, rows)


def price(entry: Entry | None, advised: Advice, bought: Tuning | None) -> Price:
    if entry is None:
        return Price()
    notes = [] if entry.lines is None else [f"{entry.lines:.0f} lines"]
    if entry.energy is not None:
        notes.append(quantity(entry.energy.value, "J"))
    if bought and bought.time:
        sure = SURE[bought.time.verdict.partition(":")[0]]
        times = f"{digits(bought.time.ratio.value)} × {bought.plain.record.case.variant}"
        notes.append(times + sure)
    ends = (entry.time.low, entry.time.high)
    low, high = (quantity(end, "s") if end is not None else "?" for end in ends)
    tip = f"{entry.label}: {low} to {high} a step" + (f"; {bought.sentence}" if bought else "")
    quickest = any(entry is e for e in (advised.best, *advised.rivals))
    return Price(quantity(entry.time.value, "s"), tuple(notes), tip, quickest)


def without_figures(records: Sequence[Record]) -> list[str]:
    """Backends with cases that have no figure, and how many: `occa:cuda (2 skipped)`."""
    counts: dict[str, Counter[str]] = {}
    for record in records:
        if record.status != "valid":
            counts.setdefault(record.case.backend, Counter())[record.status] += 1
    known = {name: at for at, name in enumerate(registry.backends())}
    return [
        f"{backend} ({', '.join(f'{n} {status}' for status, n in statuses.items())})"
        for backend, statuses in sorted(counts.items(), key=lambda i: (known.get(i[0], 99), i[0]))
    ]
