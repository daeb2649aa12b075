"""Joules of records that did not measure the same parts: what both cover of their node, or why not.

A case on a GPU counts its processor and its GPU; one on the processor counts that alone, and has
the joules of the GPU that idles beside it apart (`Energy.unused`). Only what covers the same parts
on both sides is compared.
"""

from __future__ import annotations

from collections.abc import Sequence

from joulia.records.parts import Energy


def bare(domains: Sequence[str]) -> list[str]:
    """Domains without the name of the node that their meter is on, each once: nodes are alike."""
    return sorted({domain.partition("/")[2] or domain for domain in domains})


def counted(energy: Energy) -> list[str]:
    """The parts that a record's joules are of."""
    return bare(energy.counted)


def covered(energy: Energy) -> list[str]:
    """The parts that are in them or beside them."""
    return bare((*energy.counted, *energy.unused_domains))


def whole(energy: Energy) -> tuple[float, ...]:
    """J/step of each window with those of GPUs that idled beside it."""
    if energy.unused is None:
        return energy.samples
    return tuple(a + b for a, b in zip(energy.samples, energy.unused.samples, strict=True))


def same(energies: Sequence[Energy]) -> bool:
    """Whether records' joules are of the same parts, measured in the same way."""
    return len({(energy.source, *counted(energy)) for energy in energies}) == 1


def alike(energies: Sequence[Energy]) -> list[tuple[float, ...]] | None:
    """Samples of the same parts, in the same way measured, for each; None where there are none.

    What counts where that is the same for all, else with the GPUs beside it.
    """
    if len({energy.source for energy in energies}) > 1:
        return None
    if same(energies):
        return [energy.samples for energy in energies]
    if len({tuple(covered(energy)) for energy in energies}) == 1:
        return [whole(energy) for energy in energies]
    return None


def refused(energies: Sequence[Energy], names: Sequence[str]) -> str | None:
    """Why the joules of two have no ratio, or None where they have one."""
    if alike(energies) is not None or len({energy.source for energy in energies}) > 1:
        return None  # meters of other kinds are told apart
    parts = [set(covered(energy)) for energy in energies]
    more = [
        f"{name}'s hold {', '.join(sorted(own - other))} as well"
        for name, own, other in zip(names, parts, reversed(parts), strict=True)
        if own - other
    ]
    why = [
        f"of the GPUs beside {name} nothing is known: {energy.unused_reason}"
        for name, energy in zip(names, energies, strict=True)
        if energy.unused_reason
    ]
    return "; ".join([f"no ratio of joules: {', '.join(more)}", *why])


def beside(energies: Sequence[Energy], names: Sequence[str]) -> str | None:
    """What a ratio of joules covers where one of two left a GPU idle, or None."""
    if alike(energies) is None or counted(energies[0]) == counted(energies[1]):
        return None
    idle = [
        f"{name} leaves {', '.join(bare(energy.unused_domains))} idle"
        for name, energy in zip(names, energies, strict=True)
        if energy.unused_domains
    ]
    parts = ", ".join(covered(energies[0]))
    return f"{names[1]} and {names[0]}: joules of {parts} on both sides ({'; '.join(idle)})"
