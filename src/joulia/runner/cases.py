"""Cases that are to be measured, and why one cannot run here."""

from __future__ import annotations

from dataclasses import dataclass

from joulia import registry
from joulia.bridge import Device
from joulia.case import Case
from joulia.parallel import launchers
from joulia.system.machine import usable_topology


@dataclass(frozen=True)
class Planned:
    """A case, and the reason where it cannot run here."""

    case: Case
    skip: str | None = None


def default_threads(device: Device, ranks: int) -> int:
    """A thread a physical core of the fast kind, shared among the ranks, where there are threads.

    On SMT siblings, slow cores, or above a CPU quota a thread that waits for the others has less.
    """
    return max(1, usable_topology().fast_cores // ranks) if device.threads else 1


def reason(case: Case, device: Device, oversubscribe: bool = False) -> str | None:
    """Why a case cannot run here, or None."""
    if device.missing is not None:
        return str(device.missing)
    source = registry.source(case.kernel, case.bridge, case.device, case.variant)
    if source is None:
        suffix = registry.suffixes(case.bridge, case.device, case.variant)[0]
        return f"{case.kernel} has no version for {case.backend} ({case.kernel}{suffix})"
    if lacks := registry.lacking(registry.kernel(case.kernel).kernel, source, case):
        return lacks
    if case.threads > 1 and not device.threads:
        return f"{case.backend} runs on one thread"
    here = case.ranks == 1 or launchers.detect() == "mpiexec"  # a scheduler counts its own cores
    if here and not oversubscribe and not usable_topology().holds(case.cores):
        return (
            f"{case.ranks} ranks x {case.threads} threads exceed {usable_topology()}; "
            "--oversubscribe allows it"
        )
    return None
