"""Slurm's ConsumedEnergy of the step that runs here, by sstat. A cross-check.

What it covers is the plug-in's business (`AcctGatherEnergyType`): the whole node by the BMC (ipmi,
xcc) or by Cray's counters (pm_counters), or the processors alone (rapl), or GPUs (gpu), on every
node of the step, with whatever else runs there. So it is shown beside the meters, never in a total.
sacct tells the same figure, but not before the step has ended.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from joulia.errors import Unavailable
from joulia.meters import Base, Clock, Domain, Missing
from joulia.meters._commands import output, where

CROSS_CHECK = True
PLUGIN = "acct_gather_energy/"
PERIOD_S = 30.0
"""JobAcctGatherFrequency where Slurm's configuration tells no other."""
PATIENCE_S = 20.0
SYSTEMATIC_REL = 0.1
"""Assumed: the plug-in's own meter, and what Slurm makes of it."""
SPECIAL = {"4294967290": "interactive", "4294967291": "batch"}
"""Steps that have a name instead of a number: SLURM_INTERACTIVE_STEP, SLURM_BATCH_SCRIPT."""
NO_VALUE = 2**63
"""Above it lie NO_VAL64 and INFINITE64: nothing was measured."""


class Slurm(Base):
    """The joules of one step so far."""

    def __init__(self, sstat: str, step: str, what: str, period_s: float, nodes: int = 1) -> None:
        self.id = f"slurm/{step}"
        self.command = [sstat, "--noheader", "--parsable2", "--format=ConsumedEnergyRaw"]
        self.command += [f"--jobs={step}"]
        self.domain = f"step {step} ({what})"
        domain = Domain("cross-check", period_s, 1.0, SYSTEMATIC_REL, number=nodes)
        self.domains = {self.domain: domain}
        self.highest = 0.0

    def read(self) -> dict[str, float]:
        used = joules(output(self.command, PATIENCE_S))
        if used < self.highest:
            raise Unavailable(f"sstat went back from {self.highest:g} J to {used:g} J")
        self.highest = used
        return {self.domain: used}


def joules(text: str) -> float:
    """The joules that `sstat --parsable2 --format=ConsumedEnergyRaw` prints: a number a step."""
    lines = text.split()
    if len(lines) != 1 or not lines[0].isdigit():
        raise Unavailable(f"sstat tells no joules of this step but {text.strip()!r}")
    if int(lines[0]) >= NO_VALUE or int(lines[0]) == 0:
        raise Unavailable("sstat tells no joules of this step so far")
    return float(lines[0])


def step_here(variables: Mapping[str, str]) -> str | None:
    """The step that this process runs in, as sstat names it; None outside of a job."""
    job = variables.get("SLURM_JOB_ID")
    step = variables.get("SLURM_STEP_ID", "batch")
    return f"{job}.{SPECIAL.get(step, step)}" if job else None


def frequency_s(configuration: str) -> float:
    """Seconds between two readings, of `30` or `task=30,energy=10`."""
    told = re.search(r"^JobAcctGatherFrequency\s*=\s*(\S+)", configuration, re.MULTILINE)
    energy = re.search(r"(?:^|energy=)(\d+)$|energy=(\d+)", told[1] if told else "")
    seconds = float(energy[1] or energy[2]) if energy else 0.0
    return seconds or PERIOD_S


def open(root: Path, clock: Clock) -> list[Slurm]:
    """The step that runs here, where Slurm measures its joules."""
    step = step_here(os.environ)
    if step is None:
        raise Missing("absent", "not in a Slurm job", "")
    sstat, scontrol = where(root, "sstat"), where(root, "scontrol")
    if sstat is None or scontrol is None:
        raise Missing("absent", "no sstat and scontrol", "put Slurm's programs on PATH")
    try:
        configuration = output([scontrol, "show", "config"], PATIENCE_S)
    except Unavailable as error:
        raise Missing("absent", error.reason, "ask the site's administrators") from None
    plugin = re.search(rf"^AcctGatherEnergyType\s*=\s*{PLUGIN}(\w+)", configuration, re.MULTILINE)
    if plugin is None or plugin[1] == "none":
        raise Missing(
            "absent",
            "Slurm measures no energy on this cluster",
            f"an administrator sets AcctGatherEnergyType={PLUGIN}...",
        )
    nodes = os.environ.get("SLURM_STEP_NUM_NODES", "1")
    what = plugin[1] + (f", {nodes} nodes" if nodes != "1" else "")
    number = int(nodes) if nodes.isdigit() else 1
    meter = Slurm(sstat, step, what, frequency_s(configuration), number)
    try:
        meter.read()
    except Unavailable as error:
        raise Missing("absent", error.reason, "ask the site's administrators") from None
    return [meter]
