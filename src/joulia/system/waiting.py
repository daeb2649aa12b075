"""How threads and ranks wait for each other: what a policy sets, and what is in force."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

VARIABLES = {
    "active": {
        "OMP_WAIT_POLICY": "active",
        "GOMP_SPINCOUNT": "infinite",
        "KMP_BLOCKTIME": "infinite",
        "JULIA_THREAD_SLEEP_THRESHOLD": "infinite",
        "MPIR_CVAR_POLLS_BEFORE_YIELD": "0",
        "OMPI_MCA_mpi_yield_when_idle": "0",
    },
    "passive": {
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "0",
        "KMP_BLOCKTIME": "0",
        "JULIA_THREAD_SLEEP_THRESHOLD": "0",
        "MPIR_CVAR_ENABLE_HEAVY_YIELD": "1",
        "OMPI_MCA_mpi_yield_when_idle": "1",
    },
}
"""What each policy sets, whatever the user's environment says.

OMP_WAIT_POLICY alone would do for GNU's OpenMP and LLVM's, were it not that their own variables
take precedence over it: GOMP_SPINCOUNT in turns, KMP_BLOCKTIME in milliseconds."""
DROPPED = ("KMP_LIBRARY",)
"""LLVM's OpenMP leaves OMP_WAIT_POLICY out where this is set."""
LAYERS = {"active": ("omp",), "passive": ("omp", "workqueue")}
"""The threading layers of Numba that can wait so: those of its work queue sleep, those of TBB spin
for a while that nothing sets."""
LAYER, LAYER_PRIORITY = "NUMBA_THREADING_LAYER", "NUMBA_THREADING_LAYER_PRIORITY"

NAPS_S = (2e-5, 1e-3)
"""The first time that a waiting rank sleeps, and the longest."""
GROWTH = 1.25
"""Of its naps: it oversleeps by a fifth of the time that it waits."""

SPINS = "spins"
SLEEPS = "sleeps"


def environment(policy: str, given: Mapping[str, str]) -> dict[str, str]:
    """An environment in which a case waits by a policy; the given one for the default.

    Numba takes the same layer for both policies where the user names none, so that nothing but the
    waiting differs; one that cannot wait so is not taken.
    """
    if policy == "default":
        return dict(given)
    env = {name: value for name, value in given.items() if name not in DROPPED}
    if env.get(LAYER, "").lower() not in LAYERS[policy]:
        env.pop(LAYER, None)
        env[LAYER_PRIORITY] = "omp workqueue tbb"
    return env | VARIABLES[policy]


def numba_can(policy: str, layer: str) -> bool:
    """Whether the threads of a layer of Numba can wait by a policy."""
    return policy == "default" or layer in LAYERS[policy]


def sleep_until(done: Callable[[], bool]) -> None:
    """Ask and sleep: a wait of MPI's own keeps a core busy, also where it yields."""
    nap, longest = NAPS_S
    while not done():
        time.sleep(nap)
        nap = min(GROWTH * nap, longest)


# ---- what is in force ----------------------------------------------------------------------


def in_force(
    runtime: Mapping[str, str],
    environment: Mapping[str, str],
    policy: str,
    *,
    threads: int,
    ranks: int,
    root: Path = Path("/"),
) -> dict[str, str]:
    """In words, how the threads and ranks of this process wait, by what makes them wait.

    `runtime` is what the runtime told of itself. Empty where nothing waits: one thread of one rank.
    """
    how = {}
    if threads > 1:
        layer = runtime.get("numba_threading_layer", "omp")
        if "julia" in runtime:
            how["Julia"] = _julia(environment)
        elif layer != "omp":
            how[f"Numba's {layer}"] = SLEEPS if layer == "workqueue" else "spins a while, sleeps"
        else:
            how |= {name: _openmp(name, environment) for name in loaded_openmp(root)}
    if ranks > 1:
        nap, longest = (1e6 * nap for nap in NAPS_S)
        asks = f"{SLEEPS}, and asks every {nap:g} to {longest:g} us"
        how["MPI"] = asks if policy == "passive" else SPINS
    return how


def loaded_openmp(root: Path = Path("/")) -> list[str]:
    """The OpenMP libraries that this process has loaded, as far as the system tells."""
    try:
        maps = (root / "proc/self/maps").read_text(errors="replace")
    except OSError:
        return []
    libraries = {
        "GNU OpenMP": r"/libgomp[-.\w]*\.so",
        "LLVM OpenMP": r"/lib(?:omp|iomp5)\b[^/]*\.so",
    }
    return [name for name, pattern in libraries.items() if re.search(pattern, maps)]


def _openmp(name: str, environment: Mapping[str, str]) -> str:
    policy = environment.get("OMP_WAIT_POLICY", "").strip().lower()
    own, unit, unset = {
        "GNU OpenMP": ("GOMP_SPINCOUNT", " turns", "300000"),
        "LLVM OpenMP": ("KMP_BLOCKTIME", " ms", "200"),
    }[name]
    # GNU's active ones spin 30 thousand million turns: minutes.
    by_policy = {"active": "infinite", "passive": "0"}.get(policy, unset)
    return _for(environment.get(own) or by_policy, unit)


def _julia(environment: Mapping[str, str]) -> str:
    threshold = environment.get("JULIA_THREAD_SLEEP_THRESHOLD")
    return _for(threshold, " ns") if threshold else "spins as long as this Julia does, then sleeps"


def _for(amount: str, unit: str) -> str:
    """In words, spinning for that long before sleeping."""
    if amount.strip().lower().startswith("infinit"):
        return SPINS
    if amount.strip() == "0":
        return SLEEPS
    return f"spins {amount}{unit}, then sleeps"


def spins(how: Mapping[str, str]) -> bool:
    """Whether threads spin as long as they wait, also while the process has nothing to do."""
    return any(words == SPINS for name, words in how.items() if name != "MPI")
