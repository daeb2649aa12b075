"""What programs share that take many cases through one bridge."""

from __future__ import annotations

from typing import Any


def once(bridge: Any) -> None:
    """Let a bridge start once, and compile once for each kernel, dtype and parameters."""
    start, load = bridge.start, bridge.load
    versions: list[Any] = []
    loaded: dict[Any, Any] = {}

    def started(case: Any) -> Any:
        if not versions:
            versions.append(start(case))
        return versions[0]

    def kept_or_loaded(kernel: Any, source: Any, case: Any) -> Any:
        key = kernel.name, case.dtype, case.params
        if key not in loaded:
            loaded[key] = load(kernel, source, case)
        return loaded[key]

    bridge.start, bridge.load = started, kept_or_loaded
