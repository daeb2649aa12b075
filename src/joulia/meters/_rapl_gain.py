"""How far RAPL's joules are from a wall meter's: by processor, for only some of them measure.

From Haswell-EP on Intel's processors measure at their voltage regulators, and follow an external
meter within a few per cent (Hackenberg et al., An Energy Efficiency Feature Survey of the Intel
Haswell Processor, HPPAC 2015; Khan et al., RAPL in Action, ACM ToMPECS 3(2), 2018). Older ones add
up events by a model whose error depends on the workload (Hackenberg et al., Power Measurement
Techniques on Standard Compute Nodes, ISPASS 2013), and so do AMD's: on Zen 2 the operands' bits
alone moved the system's power by several per cent, and RAPL's hardly (Schoene et al., Energy
Efficiency Aspects of the AMD Zen 2 Architecture, CLUSTER 2021, arXiv 2108.00808, figure 10).
"""

from __future__ import annotations

import re
from pathlib import Path

from joulia.system.files import text

MEASURED_REL = 0.05
"""Nobody states a bound: the order of what those comparisons found, and of NVML's."""
MODELLED_REL = 0.10
"""Nobody states a bound here either. Twice that: what a model was seen to miss, and a gain."""
OLDER = {"42", "45", "58", "62"}
"""Models of Intel's family 6 whose RAPL is a model: Sandy Bridge (42, 45), Ivy Bridge (58, 62)."""


SMALL = {"55", "74", "76", "77", "90", "117"}
"""Silvermont and Airmont (Linux, arch/x86/include/asm/intel-family.h), Intel's small cores of that
time: no comparison of theirs with an external meter was found."""


def systematic_rel(root: Path) -> float:
    """The systematic error of the processors' RAPL, 95 %; the wider where cpuinfo does not tell."""
    cpuinfo = text(root / "proc/cpuinfo") or ""
    vendor, family, model = (
        match[1] if (match := re.search(rf"^{name}\s*:\s*(\S+)$", cpuinfo, re.MULTILINE)) else ""
        for name in ("vendor_id", "cpu family", "model")
    )
    measures = vendor == "GenuineIntel" and not (family == "6" and model in OLDER | SMALL)
    return MEASURED_REL if measures else MODELLED_REL
