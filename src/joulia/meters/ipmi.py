"""IPMI's DCMI power reading, by ipmitool: the whole node as its BMC sees it. A cross-check.

A BMC renews its figure every few seconds, rounds it to watts, may smooth it, and may leave out
boards that have a supply of their own. So it is shown beside the meters, never in a total.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from joulia.errors import Unavailable
from joulia.meters import Base, Clock, Domain, Missing, domain_id
from joulia.meters._commands import output, where
from joulia.meters._files import in_virtual_machine, nothing
from joulia.meters._sampled import ProcessSampler, Reader, Sampled, Sampling

CROSS_CHECK = True
DEVICES = ("dev/ipmi0", "dev/ipmi/0", "dev/ipmidev/0")
"""Where ipmitool looks for the kernel's interface to the BMC."""
PERIOD_S = 5.0
"""The time between a BMC's readings, which no standard bounds: some take 1 s, some 5 s."""
SAMPLE_S = 1.0
PATIENCE_S = 15.0
SYSTEMATIC_REL = 0.1
"""BMCs state no bound: assumed."""
NODE = "node (DCMI)"
REMEDY = "ask for a Redfish account that may only read (JOULIA_REDFISH)"


def power_reader(ipmitool: str) -> Callable[[], dict[str, float]]:
    """Watts of the node. Each call asks the BMC, which takes a tenth of a second to seconds."""
    return lambda: {NODE: watts(output([ipmitool, "dcmi", "power", "reading"], PATIENCE_S))}


def watts(text: str) -> float:
    """The watts that `ipmitool dcmi power reading` prints; Unavailable where they mean nothing."""
    power = re.search(r"Instantaneous power reading:\s+(\d+) Watts", text)
    state = re.search(r"Power reading state is:\s+(\w+)", text)
    if power is None or state is None:
        raise Unavailable("ipmitool tells no DCMI power reading")
    if state[1] != "activated":
        raise Unavailable(f"the BMC's power reading is {state[1]}")
    if power[1] == "0":
        raise Unavailable("the BMC tells 0 W: it does not measure")
    return float(power[1])


def open(root: Path, clock: Clock, sampling: Sampling = ProcessSampler) -> list[Base]:
    """The node as its BMC sees it."""
    if not any((root / device).exists() for device in DEVICES):
        remedy = "an administrator loads ipmi_si and ipmi_devintf, where the machine has a BMC"
        raise nothing(root, "no BMC (/dev/ipmi0)", remedy)
    ipmitool = where(root, "ipmitool")
    if ipmitool is None:
        raise Missing("absent", "no ipmitool", f"install it, or {REMEDY}")
    reader = Reader(power_reader(ipmitool), f"{__name__}:power_reader", [ipmitool])
    try:
        reader.local()
    except Unavailable as error:
        if "ermission denied" in error.reason:
            raise Missing("unreadable", error.reason, f"only root may; {REMEDY}") from None
        remedy = "" if in_virtual_machine(root) else "not every BMC has DCMI power"
        raise Missing("absent", error.reason, remedy) from None
    domains = {NODE: Domain("cross-check", PERIOD_S, 0.0, SYSTEMATIC_REL)}
    return [Sampled(domain_id(root, "ipmi"), domains, sampling(reader, SAMPLE_S, clock))]
