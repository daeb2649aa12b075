"""Which GPU a runtime's active device is: told by UUID or PCI bus id, never by index."""

from __future__ import annotations

import re
from collections.abc import Mapping

from joulia.errors import Unavailable

SHARED = "a MIG instance has no energy of its own: shared, not attributable"


def bus_key(bus_id: str) -> tuple[int, int, int, int] | None:
    """A PCI bus id as numbers; CUDA writes its domain with four digits, NVML with eight."""
    match = re.fullmatch(
        r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-9a-f]{2})(?:\.([0-7]))?", bus_id.strip().lower()
    )
    if match is None:
        return None
    domain, bus, slot, function = (int(part or "0", 16) for part in match.groups())
    return domain, bus, slot, function


def match(token: str, gpus: Mapping[str, str | None]) -> str:
    """The UUID of the GPU that a token names, among `gpus` (UUID to PCI bus id).

    A token is a UUID, a unique prefix of one as CUDA_VISIBLE_DEVICES allows, or a PCI bus id.
    Raises Unavailable for an index (it is nobody's name), for a MIG instance, for what is not
    there and for a prefix of several.
    """
    wanted = token.strip().lower()
    if wanted.startswith("mig-"):
        raise Unavailable(f"{token}: {SHARED}", "measure a whole GPU")
    if wanted.isdigit():
        raise Unavailable(
            f"'{token}' is an index, which names no GPU", "give its UUID or PCI bus id"
        )
    if (key := bus_key(wanted)) is not None:
        uuids = [uuid for uuid, bus_id in gpus.items() if bus_id and bus_key(bus_id) == key]
    else:
        bare = _bare(wanted)
        uuids = [uuid for uuid in gpus if _bare(uuid) == bare] or [
            uuid for uuid in gpus if bare and _bare(uuid).startswith(bare)
        ]
    if len(uuids) != 1:
        how = "several GPUs" if uuids else "no meter for the GPU"
        raise Unavailable(f"{how} named {token}", "`nvidia-smi -L` lists the GPUs")
    return uuids[0]


def _bare(uuid: str) -> str:
    """Without the prefix: `GPU-abc` is `abc`."""
    return uuid.lower().removeprefix("gpu-").removeprefix("amd-")
