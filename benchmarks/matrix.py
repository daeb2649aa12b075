"""The suite's parameters: kernels x backends of the checkout that holds this suite.

asv runs this suite against many commits. A parameter's place in its list must be the same for all
of them, so the lists come from the checkout, not from the joulia that a commit installed: what a
commit lacks is NaN.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("counter", "sampled", "counter+sampled")
"""How joules were measured: a parameter, so that no series mixes sources."""


@cache
def axes() -> tuple[list[str], list[str]]:
    """All kernels and all backends, present on this machine or not, sorted by name."""
    if "joulia" in sys.modules:
        raise RuntimeError("the lists must come from the checkout: import this module first")
    sys.path.insert(0, str(ROOT / "src"))
    try:
        from joulia import registry
    finally:
        sys.path.pop(0)
    return sorted(registry.kernels()), sorted(registry.backends())
