"""The joules of a process's start: what each process tells, and what its case's record keeps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MeteredPhase:
    """Joules of a phase of one start, the counters' mean lag taken out, and what is unsure of it.

    `first_lag_j` and `last_lag_j` are half an update period's energy at either end.
    """

    joules: float
    seconds: float
    first_lag_j: float
    last_lag_j: float
    quantum_j: float
    systematic_j: float


@dataclass(frozen=True)
class MeteredStart:
    """One start of a case's processes: its phases by name, and what happened to the caches."""

    cache: str
    source: str
    period_s: float
    phases: dict[str, MeteredPhase]
    total: MeteredPhase


@dataclass(frozen=True)
class PhaseEnergy:
    """Joules of a phase of start-up, or why there are none."""

    joules: float | None
    """J: the mean over the starts."""
    uncertainty_rel: float | None
    """Relative error of that mean, 95 %."""
    reason: str | None = None
    """Why it is null."""


@dataclass(frozen=True)
class StartupEnergy:
    """Measured joules until the first step is done, over all meters of all nodes."""

    unit: str
    """`J`."""
    source: str
    """How it was measured: `counter`, `sampled`, or both with a plus."""
    starts: int
    """Fresh processes that were metered: several where one is too short for the meters."""
    samples: tuple[float, ...]
    """J of every start."""
    phases: dict[str, PhaseEnergy]
    """`import`, `load` and `first_call`, as in the seconds above."""
    total: PhaseEnergy
    """From before the import to the end of the first step, with what lies between the phases (the
    set-up of fields, a GPU's context), which the seconds leave out."""
