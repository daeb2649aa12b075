"""What a case is called where people read it: without the parameters that are at their defaults."""

from __future__ import annotations

from collections.abc import Iterable

from joulia import registry
from joulia.case import Case, Value


def label(case: Case) -> str:
    """The case in a line."""
    parts = [case.kernel, case.backend, shape(case), case.dtype, ranks(case)]
    return " ".join([*parts, *chosen(case.kernel, case.params), *filter(None, [case.cap])])


def backend(case: Case) -> str:
    """The backend, and the limits that it computed under."""
    return f"{case.backend} {case.cap}".rstrip()


def shape(case: Case) -> str:
    return "x".join(map(str, case.shape))


def ranks(case: Case) -> str:
    return f"{case.ranks}r x {case.threads}t"


def chosen(kernel: str, params: Iterable[tuple[str, Value]]) -> list[str]:
    """The parameters that are not at their defaults, as name=value; all, of unknown kernels."""
    known = defaults(kernel)
    return [f"{k}={v}" for k, v in params if k not in known or known[k] != v]


def defaults(kernel: str) -> dict[str, Value]:
    """A kernel's parameters by default; none of a kernel that is not here."""
    entry = registry.kernels().get(kernel)
    return {name: p.default for name, p in entry.kernel.params.items()} if entry else {}
